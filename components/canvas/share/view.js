export default function ({ data, parentElement }) {
  const form = parentElement.querySelector("form") ?? parentElement.appendChild(build());
  const [field, button] = [form.querySelector("input"), form.querySelector("button")];
  field.value = data.link;
  field.setAttribute("aria-label", data.label);
  field.onfocus = () => field.select();
  button.textContent = data.copy;
  form.onsubmit = (event) => {
    event.preventDefault();
    copy(field, data.link).then(() => (button.textContent = data.copied));
  };
  form.dataset.painted = data.link;
}

function build() {
  const form = document.createElement("form");
  const field = Object.assign(document.createElement("input"), { type: "text", readOnly: true, spellcheck: false });
  const button = Object.assign(document.createElement("button"), { type: "submit" });
  button.setAttribute("aria-live", "polite");
  form.append(field, button);
  return form;
}

// Browsers keep the clipboard from pages that came over plain http, as in a classroom; the old way still works there.
async function copy(field, link) {
  try {
    await navigator.clipboard.writeText(link);
  } catch {
    field.select();
    document.execCommand("copy");
  }
}
