import { clock, make } from "./parts.js";
import { zeroOf } from "./player.js";

// Where the player is, in seconds of the source, and how others follow it or send it elsewhere.
export function playback(place, clip, first) {
  const followers = [];
  let last = null, wanted = first;
  const video = () => place.querySelector("video");
  // A clip that was cut anew begins at zero.
  const isCut = (one) => one.src.includes("/cut/");
  const zero = (one) => isCut(one) ? clip.start_seconds : -zeroOf(one);
  const isReady = (one) => one.readyState >= 1 && (isCut(one) || one.dataset.ready);
  const clamp = (seconds) => Math.max(clip.start_seconds + 0.0005, Math.min(clip.end_seconds - 0.02, seconds));
  const seek = (seconds) => {
    const one = video();
    if (!one || !isReady(one)) { wanted = seconds; return; }
    one.currentTime = clamp(seconds) - zero(one);
  };
  const now = () => { const one = video(); return one && isReady(one) ? one.currentTime + zero(one) : wanted ?? clip.start_seconds; };
  const turn = () => {
    const one = video();
    if (one && wanted !== null && one.readyState >= 2 && isReady(one)) { const at = wanted; wanted = null; seek(at); }
    const at = now();
    if (at !== last) { last = at; for (const follow of followers) follow(at); }
    requestAnimationFrame(turn);
  };
  requestAnimationFrame(turn);
  return {
    now, seek,
    follow: (callback) => { followers.push(callback); callback(now()); },
    toggle: () => {
      const one = video();
      if (!one) return;
      if (one.paused) { delete one.dataset.stopped; one.play().catch(() => {}); } else { one.dataset.stopped = "yes"; one.pause(); }
    },
    step: (seconds) => { const one = video(); if (one) { one.dataset.stopped = "yes"; one.pause(); seek(now() + seconds); } },
  };
}

export function placeSlider(clip, player) {
  const place = make("input", { type: "range", class: "place", min: clip.start_seconds, max: clip.end_seconds, step: 0.01, "aria-label": "Place in the clip", oninput: () => player.seek(Number(place.value)) });
  player.follow((seconds) => { place.value = seconds; place.setAttribute("aria-valuetext", clock(seconds)); });
  return place;
}
