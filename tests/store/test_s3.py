from components.store.s3 import Folder


def test_swap_takes_only_what_was_read(place: str) -> None:
    folder = Folder(place)
    assert folder.swap("a", b"1", expected=None)
    assert not folder.swap("a", b"2", expected=None)
    _, etag = folder.find("a") or (b"", "")
    assert folder.swap("a", b"2", expected=etag)
    assert not folder.swap("a", b"3", expected=etag)
    assert folder.read("a") == b"2"
