"""Small videos, written with PyAV itself."""

import fractions
import math

import av
import numpy as np

RATE = 44_100


def picture(number, size=(32, 48)):
    """A frame whose colours are easy to tell: its left part has one, its right part another."""
    frame = np.full((*size, 3), (200, 40, 40), np.uint8)
    frame[:, size[1] // 2 :] = (40, 60, 40 + 20 * (number % 8))
    frame[: size[0] // 4] = (250, 250, 250)  # the top is white
    return frame


def write_clip(
    path,
    *,
    times=range(0, 480, 40),
    size=(32, 48),
    codec="libx264",
    sound="",
    turned=0,
    aspect=None,
    frames=None,
    options=None,
):
    """Write a video.

    `times` are in milliseconds; `sound` is a codec of a tone as long as the video; `turned` are
    degrees by which a player turns it counter-clockwise.
    """
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25, options=options or {"crf": "10", "g": "4"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        stream.time_base = stream.codec_context.time_base = fractions.Fraction(1, 1000)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if turned:
            stream.set_display_rotation(turned)
        tone = file.add_stream(sound, rate=RATE, layout="mono") if sound else None
        for number, time in enumerate(times):
            pixels = picture(number, size) if frames is None else frames[number]
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = time, fractions.Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if tone is not None:
            for frame in tone_of((max(times) + 40) * RATE // 1000):
                file.mux(tone.encode(frame))
            file.mux(tone.encode(None))
    return path


def tone_of(samples):
    """Yield frames of a tone of 440 Hz."""
    for start in range(0, samples, 1024):
        moments = np.arange(start, start + 1024) / RATE
        wave = (8000 * np.sin(2 * math.pi * 440 * moments)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
        frame.sample_rate, frame.pts = RATE, start
        frame.time_base = fractions.Fraction(1, RATE)
        yield frame


def read_clip(path):
    """Return times in milliseconds and frames of a video."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        found = [
            (round(frame.pts * stream.time_base * 1000), frame.to_ndarray(format="rgb24"))
            for frame in file.decode(stream)
        ]
    return [time for time, _ in found], [frame for _, frame in found]


def sound_packets(path):
    """Return the bytes of the sound's packets."""
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(audio=0) if packet.size]
