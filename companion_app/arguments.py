"""What a command needs to know, read from texts by its JSON Schema: for the palette, the command line and whoever comes."""

from __future__ import annotations

from collections.abc import Mapping

from companion_app.i18n import tr
from edge_runtime.strict_json import is_number

Schema = Mapping[str, Mapping[str, object]]
_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "")


class ArgumentError(ValueError):
    """What was given can't be used. problems: a sentence by argument."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(f"{name}: {sentence}" for name, sentence in problems.items()))
        self.problems = problems


def read_arguments(schema: Schema, texts: Mapping[str, str]) -> dict[str, object]:
    """The arguments of a command. schema: the properties of a JSON Schema; one without a default has to be given.

    Raises `ArgumentError`, which names everything that is wrong at once.
    """
    found: dict[str, object] = {}
    problems = {name: tr("There is no such argument.") for name in texts if name not in schema}
    for name, rules in schema.items():
        text = texts.get(name, "")
        if not text.strip() and rules.get("type") != "boolean":
            if "default" in rules:
                found[name] = rules["default"]
            else:
                problems[name] = tr("This is needed.")
            continue
        if name not in texts and "default" in rules:
            found[name] = rules["default"]
            continue
        try:
            found[name] = _read(rules, text)
        except ValueError as error:
            problems[name] = str(error)
    if problems:
        raise ArgumentError(problems)
    return found


def _read(rules: Mapping[str, object], text: str) -> object:
    kind = rules.get("type", "string")
    if kind == "boolean":
        if text.strip().lower() not in (*_YES, *_NO):
            raise ValueError(tr("Say yes or no."))
        return text.strip().lower() in _YES
    if kind in ("integer", "number"):
        return _number(rules, text, whole=kind == "integer")
    choices = rules.get("enum")
    if isinstance(choices, list | tuple) and text.strip() not in choices:
        raise ValueError(tr("One of {choices}.", choices=", ".join(str(choice) for choice in choices)))
    most = rules.get("maxLength")
    if isinstance(most, int) and len(text) > most:
        raise ValueError(tr("{number} characters at most.", number=most))
    return text.strip() if choices else text


def _number(rules: Mapping[str, object], text: str, *, whole: bool) -> int | float:
    try:
        value: int | float = int(text.strip()) if whole else float(text.strip())
    except ValueError:
        raise ValueError(tr("A whole number.") if whole else tr("A number.")) from None
    if not is_number(value):
        raise ValueError(tr("A number."))
    least, most = rules.get("minimum"), rules.get("maximum")
    if isinstance(least, int | float) and not value >= least:
        raise ValueError(tr("{number} at least.", number=least))
    if isinstance(most, int | float) and not value <= most:
        raise ValueError(tr("{number} at most.", number=most))
    return value
