"""Speak text with espeak-ng, and say when each word begins.

The library comes with the package espeakng-loader. It is called by its C interface (speak_lib.h), which
reports the words; the program does not. The library keeps global state, so one text is spoken at a time.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import espeakng_loader
import numpy as np
from numpy.typing import NDArray

AUDIO_OUTPUT_SYNCHRONOUS = 2
DO_NOT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT
CHARS_UTF8 = 1
POS_CHARACTER = 1
RATE_PARAMETER, PITCH_PARAMETER = 1, 3
EVENT_LIST_END, EVENT_WORD, EVENT_END = 0, 1, 5


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)
_lock = threading.Lock()


class UnknownVoice(Exception):
    """There is no voice of this name."""


@dataclass(frozen=True)
class Word:
    """A word as it was written, and its time in seconds from the start of the speech."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Speech:
    """Mono samples, int16, and the words in their order."""

    samples: NDArray[np.int16]
    rate: int
    words: tuple[Word, ...]


def speak(text: str, voice: str, words_per_minute: int, pitch: int) -> Speech:
    """Return the speech of a text. Raises UnknownVoice."""
    with _lock:
        library = ctypes.CDLL(espeakng_loader.get_library_path())
        folder = espeakng_loader.get_data_path().encode()
        rate = library.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, folder, DO_NOT_EXIT)
        blocks: list[NDArray[np.int16]] = []
        events: list[tuple[int, int, int]] = []  # type, place in the text, sample

        def take(wave: ctypes._Pointer[ctypes.c_short], count: int, heard: ctypes._Pointer[_Event]) -> int:
            if wave and count:
                blocks.append(np.ctypeslib.as_array(wave, (count,)).copy())
            events.extend(_read(heard))
            return 0

        callback = _Callback(take)  # kept while it may be called
        library.espeak_SetSynthCallback(callback)
        if library.espeak_SetVoiceByName(voice.encode()):
            raise UnknownVoice(voice)
        library.espeak_SetParameter(RATE_PARAMETER, words_per_minute, 0)
        library.espeak_SetParameter(PITCH_PARAMETER, pitch, 0)
        data = text.encode()
        library.espeak_Synth(data, len(data) + 1, 0, POS_CHARACTER, 0, CHARS_UTF8, None, None)
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
    return Speech(samples, rate, tuple(_words(text, events, len(samples), rate)))


def _read(events: ctypes._Pointer[_Event]) -> Iterator[tuple[int, int, int]]:
    index = 0
    while events[index].type != EVENT_LIST_END:
        event = events[index]
        if event.type in (EVENT_WORD, EVENT_END):
            yield event.type, event.text_position - 1, event.sample
        index += 1


def _words(text: str, events: list[tuple[int, int, int]], count: int, rate: int) -> Iterator[Word]:
    """Yield one word for each piece of text between spaces.

    espeak-ng hears "$25" as three words, and "was a" as one, whose time both share.
    """
    spans = list(_spans(text))
    starts: dict[int, int] = {}  # the sample at which a written word begins, by its number
    for kind, place, sample in events:
        number = next((n for n, (begin, end) in enumerate(spans) if begin <= place < end), None)
        if kind == EVENT_WORD and number is not None:
            starts.setdefault(number, sample)
    stops = sorted(
        {sample for kind, _, sample in events if kind == EVENT_END} | set(starts.values()) | {count}
    )
    for first, following in pairwise([*starts, len(spans)] if starts else []):
        begin = starts[first]
        end = next((sample for sample in stops if sample > begin), count)
        step = (end - begin) / (following - first)
        for number in range(first, following):
            start = begin + step * (number - first)
            yield Word(text[slice(*spans[number])], start / rate, (start + step) / rate)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    place = 0
    for word in text.split():
        begin = text.index(word, place)
        place = begin + len(word)
        yield begin, place
