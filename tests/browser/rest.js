// Put into a page before anything else: it hears what the browser asks the server and what it is told, so that a test can wait for the page
// to come to rest instead of for a while. At rest nothing asked is unanswered, no script runs, nothing is about to be sent, and no part of the
// page still waits for its code (a table does, the first time: then its tools stand beyond a phone's edge until it knows its width).
(() => {
  const SOON = 600; // milliseconds: what waits that long is part of the last thing done; what waits longer is a habit of the page
  const ASK = 0x5a, BEGUN = 0x22, ENDED = 0x30, EARLY = 2; // tags of Streamlit's messages: rerun_script; new_session, script_finished
  const waiting = new Set();
  let asked = false, since = 0, frames = 0, looker = null;

  const [set, clear] = [window.setTimeout, window.clearTimeout];
  window.setTimeout = (act, pause, ...given) => {
    if (typeof act !== "function" || !(pause > 0 && pause <= SOON)) return set(act, pause, ...given);
    const timer = set((...given) => { waiting.delete(timer); act(...given); }, pause, ...given);
    waiting.add(timer);
    return timer;
  };
  window.clearTimeout = timer => { waiting.delete(timer); clear(timer); };

  // The first field that is not one of the two every message opens with (its hash and what is known of it): its tag, and the byte behind it.
  const told = bytes => {
    let at = 0;
    while (bytes[at] === 0x0a || bytes[at] === 0x12) {
      let size = 0, shift = 0;
      do size |= (bytes[++at] & 127) << shift; while (bytes[at] & 128 && (shift += 7));
      at += 1 + size;
    }
    return [bytes[at], bytes[at + 1]];
  };
  const heard = ({data}) => {
    if (!(data instanceof ArrayBuffer)) return;
    const [tag, how] = told(new Uint8Array(data));
    if (tag === BEGUN) asked = false;
    if (tag === ENDED && how === EARLY) asked = true; // it makes way for another
  };
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      this.addEventListener("message", heard);
      this.addEventListener("close", () => { asked = false; });
    }

    send(data) {
      if (data instanceof Uint8Array && data[0] === ASK) asked = true;
      super.send(data);
    }
  };

  const there = (test, more = "") => document.querySelector(`[data-testid="${test}"]${more}`) !== null;
  const quiet = () => !asked && !waiting.size && there("stApp", '[data-test-script-state="notRunning"]') && !there("stSkeleton");
  const inside = node => [node, ...[...(node.shadowRoot?.children ?? []), ...node.children].flatMap(inside)];
  const roots = () => [document, ...inside(document.documentElement).map(node => node.shadowRoot).filter(Boolean)];
  const ends = motion => motion.playState === "running" && motion.effect.getComputedTiming().endTime < Infinity;
  const moving = () => roots().some(root => root.getAnimations().some(ends));

  /** Whether the page has been at rest for `still` milliseconds and three frames since `who` first asked; with `wholly`, nothing moves either. */
  window.atRest = ([who, still, wholly]) => {
    if (who !== looker || !quiet() || (wholly && moving())) [looker, since, frames] = [who, performance.now(), 0];
    return frames++ >= 3 && performance.now() - since >= still;
  };
})();
