"""Sentences about what is rendered."""

from collections.abc import Mapping
from types import MappingProxyType

from internvid.synthetic.painting.backdrops import PAINTERS
from internvid.synthetic.scripts.video_plan import ObjectPlan, ShotPlan
from internvid.synthetic.scripts.world_words import CAMERA_PHRASES, MOTION_PHRASES

MOOD_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "day": "sunny",
        "dusk": "dusky",
        "night": "dark",
        "snow": "snowy",
        "sunset": "golden",
        "summer": "green",
        "winter": "wintry",
        "spring": "spring",
        "storm": "stormy",
        "earth": "brown",
        "rose": "rosy",
    }
)
"""Palette name -> adjective, where the name itself is none."""


def with_article(words: str) -> str:
    """Return words with "a" or "an" before them."""
    return f"{'an' if words[:1] in 'aeiou' else 'a'} {words}"


def setting(plan: ShotPlan) -> str:
    """Return where a shot takes place, such as "in front of dusky mountains"."""
    word = plan.tint or MOOD_WORDS.get(plan.mood, plan.mood)
    phrase = PAINTERS[plan.backdrop][1]
    return phrase.format(word).replace(f"a {word}", with_article(word))


def thing(plan: ObjectPlan) -> str:
    """Return an object's name, such as "a large red star"."""
    return with_article(f"{plan.size} {plan.colour} {plan.shape}")


def describe_shot(plan: ShotPlan) -> str:
    """Return one sentence that names everything that is seen in a shot."""
    place = setting(plan)
    if plan.kind == "scene":
        actions = [f"{thing(one)} {MOTION_PHRASES[one.motion]}" for one in plan.objects]
        sentence = " and ".join(actions) + f" {place}"
    else:
        names = " and ".join(thing(one) for one in plan.objects)
        sentence = f"{'a still picture' if plan.kind == 'still' else 'a slide'} of {names} {place}"
    if plan.camera.kind != "static":
        sentence += f" while {CAMERA_PHRASES[plan.camera.kind, plan.camera.direction]}"
    return sentence[0].upper() + sentence[1:] + "."


def describe_video(theme: str, shots: tuple[ShotPlan, ...]) -> str:
    """Return one sentence on a whole video."""
    seen = list(dict.fromkeys(plan.backdrop for plan in shots))
    places = ", ".join(seen[:4])
    first = " and ".join(thing(one) for one in shots[0].objects)
    return f"{with_article(theme).capitalize()} film that begins with {first} and shows {places}."
