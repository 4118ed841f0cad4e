"""Questions to 200 documents, by three ways of comparing: words alone, vectors of words, and the sentence encoder.

    python benchmarks/documents_exam.py [--exam read|asked|pages ...] [--by words|vectors|encoder ...] [--json FILE]

The exams are those of tests/exams/documents, whose README says who wrote them. hit1, hit3: the right document is the first, or
among three. answered: questions that aren't told to be absent. cited: those whose answer names the right document among its
sources, of which it has `sources` on average; first: those whose quote is from it. absent: of 30 questions that no document answers, those
that are told so; absent_again: of 60 others. Wanted: hit3 85 of 100, absent 27 of 30. CPU seconds are of this process.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.manual_pages import pages
from edge_runtime.documents import encoder, meaning
from edge_runtime.documents.answering import cited
from edge_runtime.documents.library import STEP, Library
from tests.edge_runtime.documents import standard_library as exams

WAYS = ("words", "vectors", "encoder")
Questions = list[tuple[str, list[str]]]


def exam(name: str) -> tuple[dict[str, str], Questions, list[str]]:
    """Documents by name, questions with the names that answer them, and questions that none answers."""
    if name == "read":
        return exams.functions(), exams.read_questions(), exams.absent()
    if name == "asked":
        return exams.documents(), exams.questions(), exams.absent()
    rows = [json.loads(line) for line in (exams.EXAM / "pages.jsonl").read_text(encoding="utf-8").splitlines()]
    found = pages((exams.EXAM / "pages.txt").read_text(encoding="utf-8").splitlines())
    asked = [(row["question"], row["documents"]) for row in rows if set(row["documents"]) & found.keys()]
    return found, asked, (exams.EXAM / "pages_absent.txt").read_text(encoding="utf-8").splitlines()


def score(name: str, by: str) -> dict[str, object]:
    """One exam's figures, by one way."""
    documents, questions, absent = exam(name)
    with tempfile.TemporaryDirectory() as folder, Library(Path(folder)) as library:
        begun = time.process_time()
        for document, text in documents.items():
            library.add(document, text)
        while library.encode(STEP):
            pass
        library.search("first use")
        indexed, begun = time.process_time() - begun, time.process_time()
        found = [(library.search(question, 3), set(right)) for question, right in questions]
        asked = time.process_time() - begun
        sources = [([one.document for one in cited(three)], right) for three, right in found]
        answered = sum(bool(names) for names, _ in sources)
        return {
            "exam": name,
            "by": by,
            "compared_by": library.compared_by(),
            "documents": len(documents),
            "questions": len(questions),
            "hit1": sum(bool(three) and three[0].document in right for three, right in found),
            "hit3": sum(any(one.document in right for one in three) for three, right in found),
            "answered": answered,
            "cited": sum(bool(right & set(names)) for names, right in sources),
            "first": sum(bool(names) and names[0] in right for names, right in sources),
            "sources": round(sum(len(names) for names, _ in sources) / max(answered, 1), 2),
            "absent": _refused(library, absent),
            "absent_again": _refused(
                library, (exams.EXAM / "absent_again.txt").read_text(encoding="utf-8").splitlines()
            ),
            "index_cpu_s": round(indexed, 1),
            "question_cpu_ms": round(asked / len(questions) * 1000),
        }


def _refused(library: Library, questions: list[str]) -> int:
    return sum(not cited(library.search(question, 3)) for question in questions)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exam", nargs="+", choices=("read", "asked", "pages"), default=["read", "asked", "pages"])
    parser.add_argument("--by", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    there, package, made = encoder.PACKAGE, meaning.from_package, []
    for by in args.by:
        encoder.PACKAGE = there if by == "encoder" else "none-of-that-name"
        meaning.from_package = package if by != "words" else lambda: None
        for name in args.exam:
            made.append(score(name, by))
            print(json.dumps(made[-1]), flush=True)
    if args.json:
        args.json.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
