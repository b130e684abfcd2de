"""Words of template questions and answers: several of each, one of which the seed draws."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

QUESTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "describe": (
            "What happens in this clip?",
            "Describe what is shown.",
            "What can be seen here?",
            "Write a short description of the clip.",
            "What is going on in this part of the video?",
        ),
        "spoken": (
            "What is being spoken?",
            "Which words can be heard?",
            "Write down what is spoken in the clip.",
        ),
        "length": (
            "How long does the clip last?",
            "How many seconds does this take?",
            "What is the length of the clip?",
        ),
        "camera": (
            "How does the camera move?",
            "What does the camera do?",
            "Does the camera move, and how?",
        ),
        "light": (
            "Is the picture bright or dark?",
            "What is the light like?",
            "How bright is the scene?",
        ),
        "colours": (
            "Which colours fill the picture?",
            "What are the main colours?",
            "Which colours stand out?",
        ),
        "sound": (
            "Is there any sound, and how loud is it?",
            "What can be stated about the sound?",
            "How loud is the clip?",
        ),
        "movement": (
            "Does much move in front of the camera?",
            "Is there much movement?",
            "How lively is the scene?",
        ),
        "bars": (
            "Are there black bars?",
            "Does the picture fill the whole frame?",
            "Where are black bars, if any?",
        ),
        "text": (
            "Is there text in the picture?",
            "Can any writing be seen?",
            "Does the picture have text in it?",
        ),
        "shots": (
            "How many shots does the video have?",
            "How many shots is this video made of?",
            "Into how many shots is the video cut?",
        ),
        "videos": (
            "How many videos are there?",
            "How many videos were given?",
            "Count the videos.",
        ),
        "nth": (
            "What does video {number} show?",
            "Describe video {number}.",
            "What happens in video {number}?",
        ),
        "when": (
            'When is this shown: "{caption}"?',
            'At which time does this happen: "{caption}"?',
            'From when to when can this be seen: "{caption}"?',
        ),
        "at_time": (
            "What is shown at {seconds} seconds?",
            "What can be seen {seconds} seconds into the video?",
            "What happens at {seconds} seconds?",
        ),
        "order": (
            'Which comes first: "{one}" or "{other}"?',
            'What is shown earlier: "{one}" or "{other}"?',
            'In which order do these come: "{one}" and "{other}"?',
        ),
        "sequence": (
            "What is shown from {start} to {end} seconds, in order?",
            "List in order what can be seen from {start} to {end} seconds.",
            "Describe one after another what happens between {start} and {end} seconds.",
        ),
        "in_turn": (
            "What do the videos show, one after another?",
            "Describe the videos in their order.",
            "List what each of the videos shows.",
        ),
        "transition": (
            "How does the picture change at {seconds} seconds?",
            "What kind of transition is there at {seconds} seconds?",
            "Which transition begins the shot at {seconds} seconds?",
        ),
    }
)
"""Kind of a question -> its wordings."""

ANSWERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "spoken": ('These words are spoken: "{text}"', 'One hears: "{text}"'),
        "length": ("It lasts {seconds} seconds.", "About {seconds} seconds."),
        "light": ("The picture is {light}.", "It is {light}."),
        "colours": ("The main colours are {colours}.", "The picture shows {colours} above all."),
        "colour": ("The main colour is {colours}.", "The picture is {colours} above all."),
        "movement": ("Yes, much moves while the camera stays still.", "Much of the scene moves."),
        "shots": ("The video has {count}.", "There are {count}."),
        "videos": ("There are {count} videos.", "{count} videos."),
        "when": ("From {start} to {end} seconds.", "It is shown from {start} to {end} seconds."),
        "order": ('"{first}" comes first, then "{second}".', 'First "{first}", then "{second}".'),
        "transition": ("By a {transition}.", "There is a {transition}."),
    }
)
"""Kind of an answer -> its wordings; others have one."""
