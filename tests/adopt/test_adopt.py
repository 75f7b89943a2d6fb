import shutil
from pathlib import Path

import pytest
from PIL import Image
from ruamel.yaml import YAML

from captcha_tagger.adopt.adopt import adopt
from captcha_tagger.adopt.survey import PATTERNS, propose_pattern
from captcha_tagger.base.errors import InputError
from captcha_tagger.base.places import state_folder
from captcha_tagger.data.sheet import SHEET_IMAGES
from captcha_tagger.params import load_params
from captcha_tagger.source.limits import Limits
from captcha_tagger.source.store import Store
from tests.buckets import Buckets
from tests.hostile import TEXTS, fill_folder, pack, png
from tests.project import Project, make_project
from tests.repository import PARAMS_FILE, ROOT

NUMBERED = [f"{number:04}" for number in range(len(TEXTS))]
TABLE = "\n".join(["file,text", *(f"{a}.png,{b}" for a, b in zip(NUMBERED, TEXTS, strict=True))])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A Git and DVC repository that has params.yaml and tables, as they are shipped."""
    project = Project(tmp_path / "repository")
    (project.root / "data").mkdir(parents=True)
    monkeypatch.chdir(project.root)
    for name in (".gitignore", ".dvcignore", "labels.csv", "corrections.csv"):
        shutil.copyfile(ROOT / name, name)
    # A comment and a null, which a careless writer loses.
    text = PARAMS_FILE.read_text(encoding="utf-8")
    text = text.replace("  case: keep", "  case: keep  # what happens to letters")
    for table in ("labels", "corrections"):
        text = text.replace(f"  {table}: data/.gitkeep", f"  {table}: {table}.csv")
    Path("params.yaml").write_text(text, encoding="utf-8")
    Path("data/.gitkeep").touch()
    for words in (["init", "-q"], ["config", "user.email", "t@t"], ["config", "user.name", "t"]):
        project.run("git", *words)
    project.run("-m", "dvc", "init", "-q")
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "start")
    return project


def tracked(project: Project) -> list[str]:
    return project.run("git", "ls-files").stdout.splitlines()


def read_all(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def look(sheet: Path) -> dict[object, int]:
    """How many pixels of each colour a picture has."""
    with Image.open(sheet) as picture:
        return {color: number for number, color in picture.convert("RGB").getcolors(1 << 24)}


def test_a_folder_is_told_written_and_tracked(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fill_folder(Path("mine"))
    (folder / "ab1_2.png").write_bytes(png(0))  # as ab1.png
    before, text = read_all(folder), Path("params.yaml").read_text()
    adopt(folder, dry_run=False)
    said = capsys.readouterr().out
    for line in (
        "images     8, 1 doubles left out; PNG RGB",
        "sizes      40x20 (8)",
        "alphabet   123abcd (7 labels)",
        "lengths    3 (8)",
        "case       lower",
        "rejects    none",
        r"texts      by name_pattern (?P<text>.+?)(?:[-_.]\d+)?",
    ):
        assert line in said
    assert read_all(folder) == before
    assert "mine.dvc" in tracked(project)
    kept = text.replace("data/sample/samples", "mine").split()
    assert Path("params.yaml").read_text().split() == kept


def test_a_dry_run_writes_nothing(project: Project) -> None:
    folder = fill_folder(Path("mine"))
    before = read_all(project.root)
    adopt(folder, dry_run=True)
    assert read_all(project.root) == before


def test_a_table_beside_its_images_is_taken_with_them(project: Project) -> None:
    fill_folder(Path("data/mine/images"), NUMBERED)
    table = Path("data/mine/codes.csv")
    table.write_text(TABLE.replace("file,text", "Id,Label"))
    adopt(table, dry_run=False)
    params = load_params(Path("params.yaml")).ingest
    assert (params.source, params.labels) == ("data/mine/images", "data/mine/codes.csv")
    assert params.label_columns == ["Id", "Label"]
    assert "data/mine.dvc" in tracked(project)  # Git ignores what lies deeper
    assert "data/mine.dvc" in project.run("-m", "dvc", "stage", "list", "--all").stdout


def test_a_table_in_the_folder_is_found(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = fill_folder(Path("mine"), NUMBERED)
    (folder / "texts.csv").write_text(TABLE)
    project.set_params(ingest={"max_rejected": 0.2})
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    adopt(folder, dry_run=True)
    assert "texts      by the columns file, text of mine/texts.csv" in capsys.readouterr().out


def test_a_contact_sheet_shows_some_images_and_changes_nothing(
    project: Project, tmp_path: Path
) -> None:
    project.set_params(ingest={"color": "rgb"})
    colors = [(200, 8 * number, 60) for number in range(30)]
    Path("mine").mkdir()
    for number, color in enumerate(colors):
        Image.new("RGB", (40, 20), color).save(f"mine/a{number:02}.png")
    before, sheet = read_all(project.root), tmp_path / "sheet.png"
    adopt(Path("mine"), dry_run=True, sheet=sheet)
    assert read_all(project.root) == before
    found = look(sheet)
    shown = [color for color in colors if found.get(color, 0) > 1000]
    assert len(shown) == SHEET_IMAGES
    assert shown[0] == colors[0]


def test_a_contact_sheet_has_the_texts(project: Project, tmp_path: Path) -> None:
    folder, sheets = fill_folder(Path("mine")), [tmp_path / "a.png", tmp_path / "b.png"]
    adopt(folder, dry_run=True, sheet=sheets[0])
    (folder / "ab1.png").rename(folder / "ab$1<.png")
    adopt(folder, dry_run=True, sheet=sheets[1])
    assert look(sheets[0]) != look(sheets[1])


def test_a_table_of_the_columns_in_params_is_taken(project: Project) -> None:
    fill_folder(Path("mine"), NUMBERED)
    table = Path("codes.csv")
    table.write_text(TABLE.replace("file,text", "picture,solution"))
    project.set_params(ingest={"label_columns": ["picture", "solution"]})
    adopt(Path("mine"), dry_run=False, labels=table)
    assert load_params().ingest.label_columns == ["picture", "solution"]
    table.write_text(TABLE.replace("file,text", "Id,Label"))
    adopt(Path("mine"), dry_run=False, labels=table)
    assert load_params().ingest.label_columns == ["Id", "Label"]


def test_corrections_of_these_names_are_told(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("corrections.csv").write_text("file,text,why\nab1.png,ab7,\nab2.png,drop,\n")
    adopt(fill_folder(Path("mine")), dry_run=True)
    assert "corrected  1, dropped 1, by corrections.csv" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["sheet.jpg", "mine/sheet.png"])
def test_a_contact_sheet_is_no_image_of_the_source(project: Project, name: str) -> None:
    with pytest.raises(InputError, match="--contact-sheet"):
        adopt(fill_folder(Path("mine")), dry_run=True, sheet=Path(name))
    assert not Path(name).exists()


def write_half(path: Path, head: str = "file,text") -> Path:
    path.write_text("\n".join([head, *TABLE.splitlines()[1:5], "0004.png,"]))
    return path


def test_a_half_filled_table_is_taken_and_the_rest_left_out(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its images without a text counted as rejects, so that nothing but max_rejected: 1 helped."""
    folder, table = fill_folder(Path("mine"), NUMBERED), write_half(Path("labels.csv"))
    adopt(folder, dry_run=False)
    said = capsys.readouterr().out
    assert "images     4, " in said
    assert "file, text of labels.csv; 4 images without one are left out" in said
    assert load_params(Path("params.yaml")).ingest.unlabelled == "skip"
    assert "# what happens to letters" in Path("params.yaml").read_text()
    table.write_text(TABLE)
    adopt(folder, dry_run=False)
    assert load_params(Path("params.yaml")).ingest.unlabelled == "reject"


def test_a_table_elsewhere_is_named(project: Project, tmp_path: Path) -> None:
    folder = fill_folder(Path("mine"), NUMBERED)
    adopt(folder, dry_run=False, labels=write_half(tmp_path / "mine.csv", "image,label"))
    params = load_params(Path("params.yaml")).ingest
    assert (params.source, params.labels) == ("mine", str(tmp_path / "mine.csv"))
    assert (params.label_columns, params.unlabelled) == (["image", "label"], "skip")


def test_a_table_of_other_images_is_not_taken(project: Project) -> None:
    write_half(Path("labels.csv"))
    with pytest.raises(InputError, match=r"labels\.csv: has rows, of another set"):
        adopt(fill_folder(Path("mine")), dry_run=True)


def test_a_zip_outside_is_named_by_its_absolute_path(project: Project, tmp_path: Path) -> None:
    archive = pack(tmp_path / "in.zip", {f"a/{text}.png": png(n) for n, text in enumerate(TEXTS)})
    adopt(Path("../in.zip"), dry_run=False)
    assert load_params(Path("params.yaml")).ingest.source == str(archive)
    assert not [name for name in tracked(project) if name.endswith(".dvc")]


def test_too_many_rejects_leave_everything_as_it_was(project: Project) -> None:
    folder = fill_folder(Path("mine"))
    (folder / "broken.png").write_bytes(b"")
    before = read_all(project.root)
    with pytest.raises(InputError, match="mine: 1 of 9 files would be rejected"):
        adopt(folder, dry_run=False)
    assert read_all(project.root) == before


def test_running_numbers_are_doubted(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    adopt(fill_folder(Path("mine"), [f"{n:04}" for n in range(30)]), dry_run=True)
    assert "these are running numbers" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (["abc.png", "a/abd_1.png"], PATTERNS[0]),
        (["0001_abc.png", "0002_abd.png"], PATTERNS[1]),
        (["abc_1f3e.png", "abd_77aa.png"], PATTERNS[2]),
        (["set_a_abc.png", "set_b_abd.png"], PATTERNS[3]),
    ],
)
def test_the_pattern_follows_from_the_names(names: list[str], pattern: str) -> None:
    assert propose_pattern(names) == pattern


@pytest.mark.parametrize(
    ("names", "kept"),
    [(["cap_ab1_v1.png", "cap_a-b_v2.png", "x.png"], True), (["ab1.png", "cap_ab1_v1.png"], False)],
)
def test_a_pattern_of_the_users_own_stays_where_it_fits(names: list[str], kept: bool) -> None:
    own = r"cap_(?P<text>.+)_v\d"
    assert (propose_pattern(names, own) == own) == kept


def test_a_pattern_that_never_ends_is_refused() -> None:
    with pytest.raises(InputError, match=r"ingest\.name_pattern: too slow"):
        propose_pattern([f"{'a' * 40}!.png"], "(?P<text>(a+)+)")


def test_a_folder_of_which_git_knows_a_part_is_not_adopted(project: Project) -> None:
    """It was, and DVC's copies of the repository trained on that part."""
    first, *_ = sorted(fill_folder(project.root / "captchas").iterdir())
    project.run("git", "add", str(first))
    before = Path("params.yaml").read_bytes()
    with pytest.raises(InputError, match=r"captchas/.*: known neither .* of captchas are; git add"):
        adopt(Path("captchas"), dry_run=False)
    assert Path("params.yaml").read_bytes() == before
    project.run("git", "rm", "-rq", "--cached", "captchas")
    adopt(Path("captchas"), dry_run=False)
    assert "captchas.dvc" in tracked(project)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["images", "data/mine", "../images"])
def test_an_experiment_in_a_copy_finds_the_adopted_source(tmp_path: Path, folder: str) -> None:
    """`dvc exp run --temp` ended in a bare Errno 2 on a folder that nobody had added, and on one in
    data/, where DVC did not see what had been added."""
    project = make_project(tmp_path / "repository")
    project.run("git", "rm", "-rq", "--cached", "images")
    project.run("git", "commit", "-qm", "unknown")
    (project.root / "images").rename(project.root / folder)
    project.set_params(ingest={"source": "data/sample/samples"})
    project.tagger("adopt", folder)
    source = YAML().load(project.root / "params.yaml")["ingest"]["source"]
    assert (project.root / source).samefile(project.root / folder)
    project.dvc("exp", "run", "--temp", "ingest")


@pytest.mark.parametrize("is_zip", [False, True])
def test_an_address_is_told_and_written(
    project: Project,
    buckets: Buckets,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    is_zip: bool,
) -> None:
    """A zip was fetched three times, into the system's folder for what is temporary."""
    fetched: list[Path] = []
    fetch = Store.fetch

    def count(store: Store, folder: Path, limits: Limits) -> Path:
        fetched.append(folder)
        return fetch(store, folder, limits)

    monkeypatch.setattr(Store, "fetch", count)
    address = buckets.make(fill_folder(tmp_path / "in"))
    if is_zip:
        entries = {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()}
        buckets.put(f"{address}/in.zip", pack(tmp_path / "in.zip", entries).read_bytes())
        address += "/in.zip"
    before = tracked(project)
    adopt(address, dry_run=False)
    assert f"source     {address}\nimages     8, 0 doubles" in capsys.readouterr().out
    assert load_params().ingest.source == address
    assert tracked(project) == before
    assert len(fetched) == is_zip
    assert all(state_folder() in folder.parents for folder in fetched)
    assert not list(state_folder().iterdir())
