"""Films that we write are read back by an independent reader, frame by frame, and a still one is one picture."""

from __future__ import annotations

import io

import pytest

np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image")

from edge_runtime.media.apng import write_apng  # noqa: E402
from edge_runtime.media.pictures import png, read_film, read_last_frames, read_picture  # noqa: E402


def test_every_frame_and_its_length_are_read_back() -> None:
    rng = np.random.default_rng(1)
    frames = [np.full((37, 53, 3), 200, dtype=np.uint8)]
    for number in range(8):
        frame = frames[-1].copy()
        if number != 3:  # one frame is like that before it
            frame[number : number + 9, 5 * number : 5 * number + 3] = rng.integers(0, 255, 3)
        frames.append(frame)
    film = read_film(write_apng(frames, 10))
    kept = [frame for number, frame in enumerate(frames) if number != 4]
    assert [np.asarray(frame).tolist() for frame in film.frames] == [frame.tolist() for frame in kept]
    assert film.seconds == pytest.approx([0.1] * 3 + [0.2] + [0.1] * 4)


def test_a_film_in_which_nothing_changes_is_one_picture() -> None:
    content = write_apng([np.zeros((8, 9, 3), dtype=np.uint8)] * 5, 12)
    assert b"acTL" not in content and len(read_film(content).frames) == 1


def test_what_is_transparent_in_a_film_is_white_as_in_a_picture() -> None:
    frames = [Image.new("RGBA", (8, 8), (0, 0, 0, 0)) for _ in range(3)]
    for number, frame in enumerate(frames):
        frame.putpixel((number, 0), (255, 0, 0, 255))
    out = io.BytesIO()
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:], disposal=1, blend=0)
    shown = read_last_frames(out.getvalue(), 64, 2)
    assert [png(frame) for frame in shown] == [png(read_picture(png(frame), 64)) for frame in frames[1:]]
    assert shown[0].getpixel((7, 7)) == (255, 255, 255)
