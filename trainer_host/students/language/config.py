"""The family of language models: Llama's shape (arXiv 2302.13971) with grouped-query attention, in eight sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace

from trainer_host.errors import DataError

Json = dict[str, object]


@dataclass(frozen=True)
class LanguageConfig:
    """A decoder's shape. `heads` must be a multiple of `kv_heads`; a head has an even number of dimensions.

    window: how many tokens a layer looks back (None: all), for every layer but each `full_every`th (arXiv 2503.19786
    alternates so). rope: how positions beyond those of the training are read, see `rope_frequencies`:
    {"type": "linear" | "dynamic" | "yarn", "factor": F, "trained": positions}.
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    hidden: int
    context: int = 1024
    head_size: int | None = None  # default: width / heads
    rope_base: float = 10_000.0
    norm_epsilon: float = 1e-5
    tied: bool = True  # one table for the tokens that come in and those that go out
    rope: Json | None = None
    window: int | None = None
    full_every: int = 4

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads or (self.head_size is None and self.width % self.heads) or self.head % 2:
            raise DataError(
                f"{self.heads} heads over {self.width} dimensions with {self.kv_heads} for keys and values don't divide; "
                "choose heads as a multiple of kv_heads, and an even width per head."
            )

    @property
    def head(self) -> int:
        """Dimensions of a head."""
        return self.head_size if self.head_size is not None else self.width // self.heads

    @property
    def parameters(self) -> int:
        """Numbers that are trained."""
        attention = self.width * self.head * (2 * self.heads + 2 * self.kv_heads)
        layer = attention + 3 * self.width * self.hidden + 2 * self.width
        tables = self.vocabulary * self.width * (1 if self.tied else 2)
        return tables + self.layers * layer + self.width

    def looks_back(self, layer: int) -> int | None:
        """The window of a layer (0-based), None where it sees everything before."""
        return None if self.window is None or (layer + 1) % self.full_every == 0 else self.window

    def read_up_to(self, context: int) -> LanguageConfig:
        """The shape for texts of other lengths; beyond those that it was trained on, by YaRN (arXiv 2309.00071).

        Raises `DataError` where positions are scaled in another way already.
        """
        kind = None if self.rope is None else self.rope.get("type")
        trained = self.context if self.rope is None else int(str(self.rope.get("trained", self.context)))
        if context <= self.context:
            return replace(self, context=context)
        if kind not in (None, "yarn"):
            raise DataError(f"Positions are scaled by '{kind}' in this model; it reads at most {self.context} tokens.")
        return replace(self, context=context, rope={"type": "yarn", "factor": context / trained, "trained": trained})

    def to_json(self) -> Json:
        """All fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: Json) -> LanguageConfig:
        """What `to_json` gave; raises `DataError` for anything else."""
        known = {field.name for field in fields(cls)}
        try:
            return cls(**{key: value for key, value in raw.items() if key in known})  # type: ignore[arg-type]
        except TypeError:
            raise DataError("This isn't the shape of a language model of ours; train it again.") from None


# (width, layers, heads, kv_heads, hidden, context), and the vocabulary that fits a model of this size.
SIZES: dict[str, tuple[LanguageConfig, str]] = {
    "nano": (LanguageConfig(2048, 128, 4, 4, 2, 352, 512), "about 1 M"),
    "micro": (LanguageConfig(4096, 160, 5, 5, 5, 448, 512), "about 2 M"),
    "tiny": (LanguageConfig(4096, 256, 6, 8, 4, 704, 1024), "about 5 M"),
    "small": (LanguageConfig(8192, 512, 8, 8, 4, 1408, 2048), "about 27 M, the default of releases"),
    "medium": (LanguageConfig(16384, 768, 12, 12, 4, 2048, 2048), "about 88 M"),
    "large": (LanguageConfig(32768, 1024, 14, 16, 4, 2816, 4096), "about 200 M"),
    "xl": (LanguageConfig(32768, 1536, 22, 16, 8, 4096, 4096), "about 600 M"),
    "xxl": (LanguageConfig(32768, 2048, 28, 16, 8, 6144, 4096, tied=False), "about 1.5 B"),
}


def sized(name: str, vocabulary: int | None = None, context: int | None = None) -> LanguageConfig:
    """The shape of a size; raises `DataError` for an unknown one."""
    if name not in SIZES:
        raise DataError(f"There is no size '{name[:40]}'; there are {', '.join(SIZES)}.")
    config = SIZES[name][0]
    return replace(config, vocabulary=vocabulary or config.vocabulary, context=context or config.context)
