"""Videos are translated frame by frame, with their times, their sound and their colours."""

import dataclasses
import fractions
import logging
import re
import sys

import flax.linen as nn
import jax
import numpy as np
import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.pair_format import PHOTOS, PairFormat
from pix2pix_jax.images.encoding import PHOTO, Encoding
from pix2pix_jax.images.video_files import VideoReader
from pix2pix_jax.runs import video
from pix2pix_jax.runs.generator import Generator
from pix2pix_jax.runs.video import translate_video

pytest.importorskip("av", reason="PyAV is not installed: pip install 'pix2pix_jax[video]'")
import av
from support.videos import RATE, picture, read_clip, sound_packets, tone_of, write_clip

pytestmark = pytest.mark.usefixtures("one_device")
TIMES = list(range(0, 480, 40))


class Network(nn.Module):
    """Returns its source; with `noise`, plus dropout's noise."""

    noise: bool = False

    def __call__(self, source, *, train, dropout_keys=None):
        if self.noise and dropout_keys is not None:
            source = source * jax.random.uniform(dropout_keys[0], source.shape)
        return source


def make_generator(form=PHOTOS, *, noise=False):
    return Generator(Network(noise), {}, (16, 16), form, fit="pad", multiple=2)


SAME = make_generator()


def close(frame, expected):
    """Return whether a frame is what it should be, apart from the compression."""
    difference = np.abs(frame.astype(int) - expected)
    return frame.shape == expected.shape and difference.mean() < 4


def test_frames_keep_their_order_times_and_colours_and_the_sound_its_bytes(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", sound="aac")
    assert translate_video(SAME, clip, tmp_path / "new" / "out.mp4") == 12
    times, frames = read_clip(tmp_path / "new" / "out.mp4")
    assert times == TIMES
    for number, frame in enumerate(frames):
        assert close(frame, picture(number)), number
    assert sound_packets(tmp_path / "new" / "out.mp4") == sound_packets(clip)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out.mp4"]


@pytest.mark.parametrize("suffix", [".mkv", ".mov"])
def test_a_variable_frame_rate_stays_as_it_is(tmp_path, suffix):
    times = [0, 33, 100, 101, 500, 1700]
    clip = write_clip(tmp_path / "clip.mkv", times=times)
    assert translate_video(SAME, clip, tmp_path / f"out{suffix}") == 6
    assert read_clip(tmp_path / f"out{suffix}")[0] == times


@pytest.mark.parametrize(("turned", "quarters"), [(90, 1), (-90, 3), (180, 2)])
def test_a_turned_phone_gives_upright_frames(tmp_path, turned, quarters):
    clip = write_clip(tmp_path / "clip.mp4", turned=turned, aspect=2)
    translate_video(SAME, clip, tmp_path / "out.mp4")
    _, frames = read_clip(tmp_path / "out.mp4")
    assert close(frames[3], np.rot90(picture(3), quarters))
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert next(file.decode(video=0)).rotation == 0
        assert file.streams.video[0].sample_aspect_ratio == (2 if turned == 180 else 0.5)


def test_odd_sides_keep_all_pixels(tmp_path, caplog):
    frames = [picture(number, (33, 47)) for number in range(3)]
    clip = tmp_path / "clip.mkv"
    write_clip(clip, size=(33, 47), frames=frames, times=[0, 40, 80], codec="ffv1", options={})
    with caplog.at_level(logging.INFO):
        translate_video(SAME, clip, tmp_path / "out.mp4")
    _, found = read_clip(tmp_path / "out.mp4")
    assert found[0].shape == (34, 48, 3)
    assert close(found[2][:33, :47], read_clip(clip)[1][2].astype(int))
    assert "odd side" in caplog.text


def test_all_frames_have_the_same_dropout(tmp_path):
    still = [picture(0)] * 4
    clip = write_clip(tmp_path / "clip.mp4", frames=still, times=TIMES[:4])
    translate_video(make_generator(noise=True), clip, tmp_path / "out.mkv")
    _, frames = read_clip(tmp_path / "out.mkv")
    assert not close(frames[0], picture(0))
    for frame in frames[1:]:
        assert close(frame, frames[0].astype(int))


def test_a_blend_mixes_frames_over_time(tmp_path):
    black_to_gray = [np.full((32, 48, 3), level, np.uint8) for level in (0, 200, 200)]
    clip = write_clip(tmp_path / "clip.mp4", frames=black_to_gray, times=TIMES[:3])
    translate_video(SAME, clip, tmp_path / "out.mp4", blend=0.5)
    _, frames = read_clip(tmp_path / "out.mp4")
    assert [round(float(frame.mean()) / 10) for frame in frames] == [0, 10, 15]


def damage(folder, share):
    """Write a clip of key frames, and overwrite the end of the fifth."""
    clip = write_clip(folder / "clip.mp4", options={"crf": "10", "g": "1"}, sound="aac")
    content = bytearray(clip.read_bytes())
    with av.open(str(clip)) as file:
        packet = [packet for packet in file.demux(video=0) if packet.size][4]
        place = content.index(bytes(packet))
        length = round(packet.size * share)
        content[place + packet.size - length : place + packet.size] = bytes(length)
    clip.write_bytes(content)
    return clip


@pytest.mark.parametrize("share", [1, 0.5])  # that cannot be decoded, that is marked as damaged
def test_a_damaged_frame_ends_the_call_or_repeats_the_one_before(tmp_path, caplog, share):
    clip = damage(tmp_path, share)
    with pytest.raises(InputError, match=r"clip\.mp4: the frame at 0\.16 s is damaged; nothing"):
        translate_video(SAME, clip, tmp_path / "new" / "out.mp4")
    assert not (tmp_path / "new").exists()
    assert translate_video(SAME, clip, tmp_path / "out.mp4", on_error="skip") == 12
    times, frames = read_clip(tmp_path / "out.mp4")
    assert times == TIMES
    assert close(frames[4], picture(3))
    assert close(frames[5], picture(5))
    assert "1 of 12 frames were damaged" in caplog.text


def test_a_file_that_ends_too_early_is_not_taken_for_a_whole_one(tmp_path, caplog):
    clip = write_clip(tmp_path / "clip.mp4")
    clip.write_bytes(clip.read_bytes()[:-300])  # of the table of all frames
    with pytest.raises(InputError, match=r"clip\.mp4: has no frames that can be read"):
        translate_video(SAME, clip, tmp_path / "out.mp4")
    film = write_clip(tmp_path / "film.mkv", times=range(0, 2400, 200), options={"g": "1"})
    assert translate_video(SAME, film, tmp_path / "out.mp4") == 12
    assert "cut off" not in caplog.text
    film.write_bytes(film.read_bytes()[: film.stat().st_size * 2 // 3])
    assert 0 < translate_video(SAME, film, tmp_path / "out.mp4") < 12
    assert re.search(
        r"film\.mkv: ends [01]\.\d s before the end .*: it may be cut off", caplog.text
    )


def test_sound_that_a_container_cannot_hold_is_left_out_with_a_warning(tmp_path, caplog):
    clip = write_clip(tmp_path / "clip.mp4", sound="aac", times=TIMES[:3])
    translate_video(SAME, clip, tmp_path / "out.webm")
    with av.open(str(tmp_path / "out.webm")) as file:
        assert len(file.streams.audio) == 0
        assert file.streams.video[0].codec_context.name in ("vp9", "libvpx-vp9")
    assert "the sound (aac) is left out: webm cannot hold it" in caplog.text


def test_colours_come_to_a_black_and_white_video(tmp_path):
    """Gray sources are made of the frames, and gray results are stored as RGB."""
    gray = make_generator(PairFormat(Encoding(1), Encoding(1)))
    translate_video(gray, write_clip(tmp_path / "clip.mp4", times=TIMES[:2]), tmp_path / "out.mp4")
    _, frames = read_clip(tmp_path / "out.mp4")
    luma = picture(0).astype(float) @ (0.299, 0.587, 0.114)
    assert close(frames[0], np.repeat(luma[..., None], 3, axis=-1))


@pytest.mark.parametrize(
    ("form", "message"),
    [
        (
            PairFormat(Encoding(1, "uint16", 0.0, 65535.0), PHOTO),
            "source of this run has 1 channels",
        ),
        (PairFormat(PHOTO, Encoding(5, "float32")), "target of this run has 5 channels of float32"),
        (PairFormat(Encoding(1, classes=3), PHOTO), "source of this run has classes"),
    ],
)
def test_runs_of_other_images_are_one_line(tmp_path, form, message):
    generator = dataclasses.replace(SAME, form=form)
    with pytest.raises(InputError, match=message):
        translate_video(generator, tmp_path / "clip.mp4", tmp_path / "out.mp4")


def test_what_is_no_video_is_one_line(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    for name in ("clip.mp4", "none.mp4"):
        with pytest.raises(InputError, match=rf"{name}: cannot be read as a video"):
            translate_video(SAME, tmp_path / name, tmp_path / "out.mp4")
    with pytest.raises(InputError, match=r"--output .*out: a video needs the name of a file"):
        translate_video(SAME, tmp_path / "clip.mp4", tmp_path / "out")
    with pytest.raises(InputError, match="would replace the input"):
        translate_video(SAME, tmp_path / "clip.mp4", tmp_path / "clip.mp4")
    with av.open(str(tmp_path / "song.mkv"), "w") as file:
        song = file.add_stream("aac", rate=RATE, layout="mono")
        for frame in tone_of(4096):
            file.mux(song.encode(frame))
    with pytest.raises(InputError, match=r"song\.mkv: has no video"):
        translate_video(SAME, tmp_path / "song.mkv", tmp_path / "out.mp4")


def test_a_missing_codec_is_one_line(tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "clip.mp4", times=TIMES[:2])
    monkeypatch.setattr(av.container.OutputContainer, "default_video_codec", "none_such")
    with pytest.raises(InputError, match="no encoder for none_such, the codec of mp4, in PyAV"):
        translate_video(SAME, clip, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_an_earlier_result_stays_if_the_new_one_fails(tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "clip.mp4")
    output = tmp_path / "out.mp4"
    output.write_bytes(b"earlier")
    calls, whole = [], video.translate

    def fail(*given, **options):
        calls.append(1)
        if len(calls) == 5:
            raise OSError(28, "No space left on device")
        return whole(*given, **options)

    monkeypatch.setattr(video, "translate", fail)
    with pytest.raises(OSError, match="No space left"):
        translate_video(SAME, clip, output)
    assert output.read_bytes() == b"earlier"
    assert len(list(tmp_path.iterdir())) == 2


def test_frames_are_translated_as_they_are_read(tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "clip.mp4")
    read, seen, translate = [], [], video.translate

    class Counting(VideoReader):
        def moments(self, *, sound=False):
            for moment in super().moments(sound=sound):
                read.append(moment)
                yield moment

    def note(*given, **options):
        seen.append(len(read))
        return translate(*given, **options)

    monkeypatch.setattr(video, "VideoReader", Counting)
    monkeypatch.setattr(video, "translate", note)
    translate_video(SAME, clip, tmp_path / "out.mp4")
    assert seen == list(range(1, 13))


def test_a_missing_package_names_the_extra(tmp_path, monkeypatch):
    clip = write_clip(tmp_path / "clip.mp4", times=TIMES[:1])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"the package av is missing: pip install .*\[video\]"):
        translate_video(SAME, clip, tmp_path / "out.mp4")


@pytest.mark.parametrize("base", [(1, 90_000), (1, 15_360)])
def test_an_avi_has_the_frames_of_the_video_whatever_its_units(tmp_path, base):
    with av.open(str(tmp_path / "clip.mp4"), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        unit = fractions.Fraction(*base)
        stream.time_base = stream.codec_context.time_base = unit
        for number in range(6):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = round(number / 25 / unit), unit
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    assert translate_video(SAME, tmp_path / "clip.mp4", tmp_path / "out.avi") == 6
    times, frames = read_clip(tmp_path / "out.avi")
    assert times == [0, 40, 80, 120, 160, 200]
    assert np.abs(frames[3].astype(int) - picture(3)).mean() < 10


def test_a_name_with_a_colon_is_no_address(tmp_path, monkeypatch):
    write_clip(tmp_path / "clip.mp4")
    (tmp_path / "clip.mp4").rename(tmp_path / "12:30.mp4")
    monkeypatch.chdir(tmp_path)
    assert translate_video(SAME, "12:30.mp4", "new:1.mp4") == 12
    assert (tmp_path / "new:1.mp4").is_file()


def test_frames_that_a_codec_cannot_take_are_one_line(tmp_path):
    clip = write_clip(tmp_path / "clip.mkv", size=(2, 17_000), codec="ffv1", options={}, times=[0])
    with pytest.raises(InputError, match=r"2 x 17000 pixels .*choose another suffix"):
        translate_video(SAME, clip, tmp_path / "out.mp4")
