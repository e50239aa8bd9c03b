"""abfss URLs: what is one, what lies below what, and that nothing else comes out of any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_core.errors import Rejected
from hub_core.paths import folder, is_below, is_hidden, is_plain, parents, parse_abfss, topmost

HOST = "acct.dfs.core.windows.net"


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (f"abfss://raw@{HOST}/falcon/a.csv", ("raw", HOST, "falcon/a.csv")),
        (f"abfss://raw@{HOST}", ("raw", HOST, "")),
        (f"abfss://raw@{HOST}/", ("raw", HOST, "")),
        (f"abfss://$web@{HOST}:10000/a/", ("$web", f"{HOST}:10000", "a/")),
        (f"abfss://raw@{HOST}/mail@example.org/100% ä #1?.csv", ("raw", HOST, "mail@example.org/100% ä #1?.csv")),
    ],
)
def test_an_abfss_url_is_taken_apart(url: str, parts: tuple[str, str, str]) -> None:
    location = parse_abfss(url)
    assert (location.container, location.host, location.name) == parts


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/falcon/a.csv",
        f"https://raw@{HOST}/a",
        f"abfs://raw@{HOST}/a",
        f"ABFSS://raw@{HOST}/a",
        f" abfss://raw@{HOST}/a",
        f"abfss://{HOST}/a",
        f"abfss://raw@evil@{HOST}/a",
        f"abfss://raw:secret@{HOST}/a",
        f"abfss://raw@{HOST.upper()}/a",
        f"abfss://Raw@{HOST}/a",
        f"abfss://raw@{HOST}:port/a",
        f"abfss://raw@{HOST}:123456/a",
        f"abfss://raw@{HOST}?x=/a",
        f"abfss://raw@{HOST}#/a",
        f"abfss://raw@{HOST}\\@evil/a",
        f"abfss://raw@{HOST}/a/../b",
        f"abfss://raw@{HOST}/..",
        f"abfss://raw@{HOST}/./a",
        f"abfss://raw@{HOST}/a/.",
        f"abfss://raw@{HOST}//a",
        f"abfss://raw@{HOST}//",
        f"abfss://raw@{HOST}/a//b",
        f"abfss://raw@{HOST}/a//",
        f"abfss://raw@{HOST}/a\\b",
        f"abfss://raw@{HOST}/a\nb",
        f"abfss://raw@{HOST}/a\x00",
        f"abfss://raw@{HOST}/a\x7f",
    ],
)
def test_what_two_readers_could_see_differently_is_refused(url: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse_abfss(url)
    assert refused.value.code == "BAD_PATH"


def test_a_folder_ends_in_a_slash() -> None:
    assert (
        folder(f"abfss://raw@{HOST}/falcon") == folder(f"abfss://raw@{HOST}/falcon/") == f"abfss://raw@{HOST}/falcon/"
    )


@pytest.mark.parametrize("char", "?#%*")
def test_a_folder_of_a_feed_holds_nothing_that_a_url_or_a_glob_would_interpret(char: str) -> None:
    with pytest.raises(Rejected):
        folder(f"abfss://raw@{HOST}/fal{char}2econ/")


@pytest.mark.parametrize(
    ("path", "below"),
    [
        (f"abfss://raw@{HOST}/falcon/", True),
        (f"abfss://raw@{HOST}/falcon", True),
        (f"abfss://raw@{HOST}/falcon/x/y", True),
        (f"abfss://raw@{HOST}/falcon2/", False),
        (f"abfss://raw@{HOST}/", False),
        (f"abfss://raw2@{HOST}/falcon/", False),
        (f"abfss://raw@{HOST}.evil.com/falcon/", False),
        (f"abfss://raw@{HOST}:443/falcon/", False),
        (f"abfss://raw@{HOST}/Falcon/", False),
    ],
)
def test_only_what_lies_in_a_root_is_below_it(path: str, below: bool) -> None:
    assert is_below(path, [f"abfss://raw@{HOST}/falcon/"]) is below


def test_a_folder_within_another_is_not_listed_twice() -> None:
    assert topmost(["/a/b/", "/a/", "/a-b/", "/c/", "/a/", "/a/b/c/"]) == ["/a-b/", "/a/", "/c/"]
    assert parents(["/a/x.csv", "/a/b/y.csv", "/c/z.csv"]) == ["/a/", "/c/"]


@pytest.mark.parametrize(
    ("below", "hidden"),
    [
        ("a.csv", False),
        ("_a.csv", True),
        (".a.csv", True),
        ("_tmp/a.csv", True),
        ("x/.b/a.csv", True),
        ("x_/a_", False),
    ],
)
def test_names_and_folders_that_begin_with_underscore_or_dot_are_hidden(below: str, hidden: bool) -> None:
    assert is_hidden(below) is hidden


@pytest.mark.parametrize("below", ["a//b.csv", "a\\b.csv", "a\tb.csv", "/a.csv", "a/"])
def test_a_name_that_hadoop_would_read_as_another_is_not_plain(below: str) -> None:
    assert not is_plain(below)


@given(st.text(max_size=40))
def test_any_text_is_a_location_or_rejected(text: str) -> None:
    for url in (text, f"abfss://raw@{HOST}/{text}", f"abfss://{text}@{HOST}/a", f"abfss://raw@{text}/a"):
        try:
            location = parse_abfss(url)
        except Rejected:
            continue
        assert str(location).rstrip("/") == url.rstrip("/")
        assert ".." not in location.name.split("/")
        assert "@" not in location.host


FOLDERS = st.lists(st.text("ab", min_size=1, max_size=2), max_size=3).map(
    lambda parts: "/" + "".join(f"{p}/" for p in parts)
)


@given(st.lists(FOLDERS, max_size=6))
def test_topmost_folders_hold_all_and_none_holds_another(folders: list[str]) -> None:
    kept = topmost(folders)
    assert all(is_below(one, kept) for one in folders)
    assert not any(a != b and a.startswith(b) for a in kept for b in kept)
