const NAMES = { light: "Light", dark: "Dark", system: "Auto" };

export default function ({ data, parentElement }) {
  document.documentElement.lang = data.language;
  quietHistory();
  applyScheme(data.scheme);
  parentElement.dataset.painted = `${data.language}:${data.scheme}`;
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

// Streamlit 1.67 offers its theme switch to its own menu only. It stands in a React context; what the menu calls, we call.
function applyScheme(scheme) {
  const context = themeContext();
  const wanted = context?.availableThemes.find((theme) => theme.name === `Custom Theme ${NAMES[scheme]}`);
  if (!wanted || wanted.name === context.activeTheme.name) return;
  context.setTheme(wanted);
}

function themeContext() {
  const root = document.getElementById("root");
  const key = Object.keys(root).find((name) => name.startsWith("__reactContainer$"));
  const waiting = [root[key]?.stateNode?.current ?? root[key]];
  while (waiting.length) {
    const fiber = waiting.pop();
    if (!fiber) continue;
    const value = fiber.memoizedProps?.value;
    if (typeof value?.setTheme === "function" && Array.isArray(value.availableThemes)) return value;
    waiting.push(fiber.sibling, fiber.child);
  }
  return null;
}
