import numpy as np
import pytest

from pix2pix_jax.core.errors import InputError
from pix2pix_jax.data.preparation.frames import (
    Extracted,
    build_detector,
    crop_square,
    extract_frames,
)
from pix2pix_jax.images import files as image_files
from pix2pix_jax.images import listing

cv2 = pytest.importorskip("cv2")
COUNT = 10


@pytest.fixture
def video(tmp_path):
    """Ten frames of 48x64 pixels: frame n is 20 n bright; its left half is red."""
    path = tmp_path / "talk.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for number in range(COUNT):
        frame = np.full((48, 64, 3), 20 * number, np.uint8)
        frame[:, :32] = (0, 0, 255)
        writer.write(frame)
    writer.release()
    assert path.stat().st_size
    return str(path)


def names(folder):
    return [path.name for path in listing.find(folder)]


def test_every_third_frame_is_written_unchanged(video, tmp_path):
    result = extract_frames(video, str(tmp_path / "out"), every=3)
    assert result == Extracted(images=4, frames=10, claimed=10)
    assert names(tmp_path / "out") == [f"talk_{number:06d}.png" for number in (0, 3, 6, 9)]
    for number in (0, 3, 6, 9):
        image = image_files.read(tmp_path / "out" / f"talk_{number:06d}.png").astype(int)
        assert image.shape == (48, 64, 3)
        assert abs(image[:, :28] - (255, 0, 0)).max() < 12
        assert abs(image[:, 36:] - 20 * number).max() < 12


def test_size_takes_the_square_in_the_middle(video, tmp_path):
    extract_frames(video, str(tmp_path), every=COUNT, size=24)
    image = image_files.read(tmp_path / "talk_000000.png").astype(int)
    assert image.shape == (24, 24, 3)
    assert abs(image[:, :10] - (255, 0, 0)).max() < 20
    assert abs(image[:, 14:]).max() < 20


def test_quality_writes_jpeg_files(video, tmp_path):
    extract_frames(video, str(tmp_path / "out"), every=5, quality=90)
    assert names(tmp_path / "out") == ["talk_000000.jpg", "talk_000005.jpg"]


def test_every_face_is_cut_out(video, tmp_path):
    seen = []

    def detector(frame):
        seen.append(frame[0, 0].tolist())
        return [(40.0, 10.0, 10.0, 10.0), (0.0, 0.0, 4.0, 5.0)] if len(seen) % 2 else []

    result = extract_frames(video, str(tmp_path / "out"), every=2, detector=detector)
    assert result == Extracted(images=6, frames=10, claimed=10)
    assert names(tmp_path / "out")[:3] == [
        "talk_000000_0.png",
        "talk_000000_1.png",
        "talk_000004_0.png",
    ]
    assert len(seen) == 5
    assert seen[0][2] > 240 > 15 > seen[0][0]  # OpenCV's order: red last
    gray = image_files.read(tmp_path / "out" / "talk_000004_0.png").astype(int)
    assert gray.shape == (16, 16, 3)
    assert abs(gray - 80).max() < 12
    extract_frames(
        video,
        str(tmp_path / "out"),
        detector=lambda _: [(1.0, 1.0, 9.0, 9.0)],
        size=32,
        overwrite=True,
    )
    assert image_files.read(tmp_path / "out" / "talk_000003_0.png").shape == (32, 32, 3)


@pytest.mark.parametrize(
    ("box", "top", "left", "side"),
    [
        ((10, 8, 10, 10), 5, 7, 16),  # a margin of 0.3 on each side
        ((10, 8, 5, 10), 5, 4, 16),  # the longer side counts
        ((0, 0, 10, 10), 0, 0, 16),  # moved into the frame
        ((35, 25, 10, 10), 14, 24, 16),
        ((-5, 0, 40, 40), 0, 0, 30),  # no larger than the frame
        ((12, 8, 40, 20), 0, 10, 30),
    ],
)
@pytest.mark.parametrize("portrait", [False, True])
def test_crops_by_hand(box, top, left, side, portrait):
    frame = np.zeros((30, 40, 3), np.uint8)
    frame[..., 0], frame[..., 1] = np.indices((30, 40))
    if portrait:
        frame = frame.transpose(1, 0, 2)
        box = (box[1], box[0], box[3], box[2])
    crop = crop_square(frame, tuple(map(float, box)))
    assert crop.shape == (side, side, 3)
    assert crop[0, 0, :2].tolist() == [top, left]


def test_existing_images_are_kept(video, tmp_path):
    extract_frames(video, str(tmp_path), every=9)
    before = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
    with pytest.raises(InputError, match=r"talk_000000\.png, .*exists; .*--overwrite"):
        extract_frames(video, str(tmp_path), size=8)
    assert {name: (tmp_path / name).read_bytes() for name in names(tmp_path)} == before
    extract_frames(video, str(tmp_path), every=9, size=8, overwrite=True)
    assert image_files.size_of(tmp_path / "talk_000009.png") == (8, 8)


def test_images_of_a_call_with_other_settings_are_removed(video, tmp_path):
    out = tmp_path / "out"
    extract_frames(video, str(out), every=3)
    with pytest.raises(InputError, match="--overwrite"):
        extract_frames(video, str(out), every=2)
    assert extract_frames(video, str(out), every=2, size=8, overwrite=True).images == 5
    assert names(out) == [f"talk_{number:06d}.png" for number in range(0, COUNT, 2)]
    assert extract_frames(video, str(out), detector=lambda _: [], overwrite=True).images == 0
    assert names(out) == []


def test_images_of_which_no_record_is_kept_are_an_error(video, tmp_path):
    out = tmp_path / "out"
    extract_frames(video, str(out), every=3)
    (out / listing.PREPARED).unlink()
    before = {name: (out / name).read_bytes() for name in names(out)}
    message = r"talk_000003\.png, \S*talk_000009\.png: .*would stay.*choose an empty OUTPUT"
    with pytest.raises(InputError, match=message):
        extract_frames(video, str(out), every=2, size=8, overwrite=True)
    with pytest.raises(InputError, match=r"talk_000000\.png.* would stay"):
        extract_frames(video, str(out), detector=lambda _: [], overwrite=True)
    assert {name: (out / name).read_bytes() for name in names(out)} == before
    assert extract_frames(video, str(out), overwrite=True).images == COUNT


def test_images_of_a_video_with_a_longer_name_are_not_in_the_way(video, tmp_path):
    for name in ("talk_2_000001.png", "talk_000002_000001.png", "talk_b.png"):
        (tmp_path / name).write_text("of another video")
    assert extract_frames(video, str(tmp_path), every=9).images == 2
    assert extract_frames(video, str(tmp_path), every=9, overwrite=True).images == 2


def test_a_video_that_ends_early_is_read_as_far_as_it_goes(video, tmp_path):
    data = (tmp_path / "talk.avi").read_bytes()
    (tmp_path / "talk.avi").write_bytes(data[: len(data) * 9 // 10])
    result = extract_frames(video, str(tmp_path / "out"))
    assert 0 < result.images == result.frames < result.claimed == 10


def test_a_file_name_is_never_taken_for_a_pattern(video, tmp_path):
    video = (tmp_path / "talk.avi").rename(tmp_path / "[t]alk.avi")
    (tmp_path / "talk_000000.png").write_text("of another video")
    assert extract_frames(str(video), str(tmp_path), every=9).images == 2
    with pytest.raises(InputError, match=r"\[t\]alk_000000\.png.*exists"):
        extract_frames(str(video), str(tmp_path))


def test_a_video_without_frames_is_an_error(tmp_path):
    path = tmp_path / "none.avi"
    cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48)).release()
    with pytest.raises(InputError, match=r"none\.avi: .*(cannot be read|no frame)"):
        extract_frames(str(path), str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 4096])
def test_a_file_that_is_not_a_video_is_an_error_and_nothing_is_written(tmp_path, content):
    (tmp_path / "talk.mp4").write_bytes(content)
    with pytest.raises(InputError, match=r"talk\.mp4: .*(cannot be read|no frame)"):
        extract_frames(str(tmp_path / "talk.mp4"), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"none\.mp4: there is no such file"):
        extract_frames(str(tmp_path / "none.mp4"), str(tmp_path / "out"))


def test_the_cascade_of_opencv_4_finds_a_face():
    if not hasattr(cv2, "CascadeClassifier"):
        with pytest.raises(InputError, match=r"opencv-python-headless<5.*--face_model") as error:
            build_detector()
        assert "\n" not in str(error.value)
        return
    frame = pytest.importorskip("skimage.data").astronaut()[..., ::-1]
    ((left, top, width, height),) = build_detector()(np.ascontiguousarray(frame))
    assert 150 < left < 224 < left + width < 300
    assert 40 < top < 110 < top + height < 220


def test_a_network_gets_each_frame_at_its_own_size(monkeypatch, tmp_path):
    calls = []

    class Network:
        @staticmethod
        def create(model, config, size, sure):
            calls.append((model, config, sure))
            return Network()

        def setInputSize(self, size):  # noqa: N802
            calls.append(size)

        def detect(self, frame):
            face = [1, 2, 30, 40, *range(11)]
            return (1, np.array([face], np.float32)) if frame.any() else (1, None)

    monkeypatch.setattr(cv2, "FaceDetectorYN", Network)
    model = tmp_path / "yunet.onnx"
    model.write_bytes(b"x")
    detect = build_detector(str(model))
    assert detect(np.ones((48, 64, 3), np.uint8)) == [(1.0, 2.0, 30.0, 40.0)]
    assert detect(np.zeros((10, 20, 3), np.uint8)) == []
    assert calls == [(str(model), "", 0.7), (64, 48), (20, 10)]


def test_a_file_that_is_not_such_a_network_is_an_error(tmp_path):
    model = tmp_path / "face.onnx"
    model.write_bytes(b"no network")
    with pytest.raises(InputError, match=r"face\.onnx: not a YuNet network"):
        build_detector(str(model))
    with pytest.raises(InputError, match=r"none\.onnx: there is no such file"):
        build_detector(str(tmp_path / "none.onnx"))
