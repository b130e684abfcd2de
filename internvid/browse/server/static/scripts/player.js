import { make } from "./parts.js";

// A time is a frame's where it lies this little behind its beginning: rounding must not show the
// frame before.
const INTO_FRAME = 0.0005;
const SAME_TIME = 0.002;

// The span of a clip, again and again. Browsers that cannot play the source are given the clip cut
// anew; where that fails too, its stored frames are shown, and the page says so.
export function player(clip) {
  const place = make("div", { class: "place" });
  const stills = (why) => {
    const frames = make("div", { class: "stills" });
    frames.append(make("img", { src: `/film/${clip.clip_id}.jpg?frames=8`, alt: "stored frames" }));
    place.replaceChildren(frames, make("p", { class: "soft" }, why));
  };
  const whole = () => {
    const video = make("video", { class: "screen", controls: true, loop: true, playsinline: true });
    video.muted = true;
    video.src = `/cut/${clip.clip_id}.mp4`;
    video.autoplay = true;
    video.addEventListener("error", () => stills("The clip cannot be played: its source is gone or cannot be read. These are its stored frames."));
    place.replaceChildren(video, make("p", { class: "soft" }, "Cut anew: browsers do not play the format of this source."));
  };
  if (!clip.playable) { whole(); return place; }
  const video = make("video", { class: "screen", controls: true, playsinline: true, preload: "auto" });
  video.muted = true;
  video.src = `/media/${clip.clip_id}`;
  video.addEventListener("error", whole);
  place.append(video);
  loop(video, clip.start_seconds, clip.end_seconds);
  return place;
}

// Where a source is in a video element: `zero` is the element's time of the source's first frame.
export function zeroOf(video) { return Number(video.dataset.zero || 0); }

// Times of clips count from the first frame of the video. The element's may not: sound that begins
// earlier shifts them. So the first frame is looked for before the span is played.
function loop(video, start, end) {
  const counts = "requestVideoFrameCallback" in video;
  const edges = () => ({ first: zeroOf(video) + start, stop: zeroOf(video) + end });
  let ready = !counts;
  const back = () => { video.currentTime = edges().first + INTO_FRAME; };
  const begin = () => {
    video.style.opacity = "";
    video.dataset.ready = "yes";
    ready = true;
    back();
    video.play().catch(() => {});
  };
  let before = null;
  const shown = (_, { mediaTime }) => {
    if (!ready) {
      video.dataset.zero = mediaTime;
      begin();
    } else if (!video.seeking) {
      const { first, stop } = edges();
      const step = before !== null && mediaTime > before ? mediaTime - before : 0;
      before = mediaTime;
      // The frame that is shown now is the last one if the next would begin with the end.
      const isLast = mediaTime + step >= stop - SAME_TIME;
      if (mediaTime < first - SAME_TIME || (isLast && (!video.paused || mediaTime >= stop - SAME_TIME))) { before = null; again(); }
    }
    video.requestVideoFrameCallback(shown);
  };
  const again = () => {
    back();
    if (video.paused && !video.dataset.stopped) video.play().catch(() => {});
  };
  if (counts) {
    video.style.opacity = "0";
    video.requestVideoFrameCallback(shown);
  } else video.addEventListener("loadedmetadata", begin);
  video.addEventListener("seeking", () => { before = null; });
  video.addEventListener("ended", again);
  let wasShown = false;
  const watch = () => {
    wasShown ||= video.isConnected;
    // Taken off the page: it must not go on loading and playing unseen.
    if (wasShown && !video.isConnected) { video.pause(); video.removeAttribute("src"); video.load(); return; }
    const { first, stop } = edges();
    // Frames that are not drawn are not reported: a page in the background, an old browser.
    if (ready && !video.seeking && (video.currentTime >= stop + (counts ? 0.1 : -1 / 120) || video.currentTime < first - 0.1)) again();
    requestAnimationFrame(watch);
  };
  requestAnimationFrame(watch);
}
