// What only the browser can do for the whole page.

export default function ({ data, parentElement }) {
  document.documentElement.lang = data.language;
  quietHistory();
  wear(data.scheme);
  keepDressed(() => {
    for (const button of document.querySelectorAll(".st-key-theme button")) button.onclick = () => wear(data.scheme === "dark" ? "light" : "dark");
    document.querySelectorAll(".st-key-menu a").forEach((link, place) => mark(link, place === data.page));
    for (const area of document.querySelectorAll(".st-key-prompt textarea")) submitOnEnter(area);
  });
  parentElement.dataset.painted = `${data.language}:${data.scheme}:${data.page}`;
}

// Streamlit draws its widgets after this, one by one, and some of them anew: when anything on the page has come or gone, they are dressed again,
// once a frame at most. To dress adds and removes nothing, so it never calls for itself.
function keepDressed(dress) {
  document.dress = dress;
  dress();
  if (document.dressing) return;
  let due = 0;
  const soon = () => (due ||= requestAnimationFrame(() => { due = 0; document.dress(); }));
  document.dressing = new MutationObserver(soon);
  document.dressing.observe(document.getElementById("root"), { childList: true, subtree: true });
}

function mark(link, current) {
  if (!current) return link.removeAttribute("aria-current");
  if (!link.hasAttribute("aria-current")) bringIntoView(link);
  link.setAttribute("aria-current", "page");
}

// On a phone the menu is wider than the screen: the page that is open stands in its middle.
function bringIntoView(link) {
  const menu = link.closest(".st-key-menu"), [seen, whole] = [link.getBoundingClientRect(), menu.getBoundingClientRect()];
  menu.scrollLeft += seen.left + seen.width / 2 - (whole.left + whole.width / 2);
}

// A change of state is no step back in the reader's history: the same page with other parameters replaces its entry.
function quietHistory() {
  if (history.pushState.quiet) return;
  const push = history.pushState.bind(history);
  history.pushState = (state, title, url) => {
    const samePage = new URL(url, location.href).pathname === location.pathname;
    return samePage ? history.replaceState(state, title, url) : push(state, title, url);
  };
  history.pushState.quiet = true;
}

// The field is Streamlit's own, which commits on Ctrl+Enter. Here Enter commits too, Shift+Enter starts a line, and a pause in typing commits by itself.
const PAUSE = 700;

function submitOnEnter(area) {
  const commit = () => area.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", ctrlKey: true, bubbles: true }));
  area.onkeydown = (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.ctrlKey || event.metaKey || event.isComposing) return;
    event.preventDefault();
    commit();
  };
  area.oninput = () => {
    clearTimeout(area.pause);
    area.pause = setTimeout(commit, PAUSE);
  };
}

// Streamlit 1.67 offers its theme switch to its own menu only. It stands in a React context; what the menu calls, we call.
// The button does so before the server has answered; the run that follows only confirms it.
function wear(scheme) {
  document.documentElement.dataset.scheme = scheme;
  const context = themeContext();
  const name = { light: "Custom Theme Light", dark: "Custom Theme Dark" }[scheme];
  const wanted = context?.availableThemes.find((theme) => theme.name === name);
  if (wanted && wanted.name !== context.activeTheme.name) context.setTheme(wanted);
}

function themeContext() {
  const root = document.getElementById("root");
  const key = Object.keys(root).find((name) => name.startsWith("__reactContainer$"));
  const waiting = [root[key]?.stateNode?.current];
  while (waiting.length) {
    const fiber = waiting.pop();
    if (!fiber) continue;
    const value = fiber.memoizedProps?.value;
    if (typeof value?.setTheme === "function" && Array.isArray(value.availableThemes)) return value;
    waiting.push(fiber.sibling, fiber.child);
  }
  return null;
}
