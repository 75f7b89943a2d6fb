from pathlib import Path

from captcha_tagger.base.files import read_json, write_json
from captcha_tagger.tracking.lineage import read_lineage
from captcha_tagger.tracking.row import RunRow, build_phase, build_row
from tests.tracking.repository import lock


def describe(root: Path) -> RunRow:
    lineage = read_lineage(root)
    phase = build_phase(lineage, "fine_tune", root / "told")
    return build_row(lineage, {"fine_tune": phase}, {})


def test_a_row_tells_the_corrections_of_its_data_by_their_hash(root: Path) -> None:
    assert not [tag for tag in describe(root).tags if "corrections" in tag]
    report = root / "data" / "ingest" / "report.json"
    found = {"corrections": {"texts": 9, "dropped": 1, "md5": "0a"}}
    write_json(report, {**read_json(report), **found})
    lock(root)
    tags = describe(root).tags
    assert (tags["corrections"], tags["corrections_md5"]) == ("10", "0a")
