// A picture as a file. Put after svg.js.

const within = key => document.querySelector(`.st-key-exhibit-${key.replace(/[^a-zA-Z0-9_-]/g, "-")}`);

/** The exhibit `key` as an SVG element, with the fonts it uses; null where it is not on the page. */
function taken(key) {
  const root = within(key);
  if (!root) return null;
  const said = root.querySelector(".v-reading"), writer = new Writer(key), ground = getComputedStyle(document.querySelector(".stApp")).backgroundColor;
  const bottom = said ? said.getBoundingClientRect().top : Infinity;
  const picture = writer.picture(root, {title: document.title, description: said?.textContent ?? "", ground, bottom});
  return {picture, fonts: writer.fonts};
}

const serialised = picture => `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(picture)}\n`;

/** The fonts of this page that a picture uses, as rules that carry them: an image cannot ask the page for them. */
async function carried(fonts) {
  const faces = [...document.styleSheets].flatMap(sheet => rulesOf(sheet)).filter(rule => rule instanceof CSSFontFaceRule);
  const named = rule => rule.style.getPropertyValue("font-family").replaceAll(/["']/g, "");
  const wanted = faces.filter(rule => [...fonts].some(font => font.includes(named(rule)) && font.startsWith("italic") === rule.style.getPropertyValue("font-style").startsWith("italic")));
  const written = await Promise.all(wanted.map(async rule => {
    const address = rule.style.getPropertyValue("src").match(/url\(["']?([^"')]+)/)?.[1];
    const data = address && (await asData(new URL(address, rule.parentStyleSheet.href ?? document.baseURI)));
    return data ? `@font-face{font-family:"${named(rule)}";font-weight:${rule.style.getPropertyValue("font-weight") || "normal"};font-style:${rule.style.getPropertyValue("font-style") || "normal"};src:url(${data})}` : "";
  }));
  return written.join("");
}

const rulesOf = sheet => { try { return [...sheet.cssRules]; } catch { return []; } };

async function asData(address) {
  if (address.protocol === "data:") return address.href;
  if (address.origin !== location.origin) return "";
  const blob = await (await fetch(address)).blob();
  return new Promise(done => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(blob);
  });
}

/** The picture at twice its size as PNG. */
async function rasterised({picture, fonts}, scale = 2) {
  const width = Number(picture.getAttribute("width")), height = Number(picture.getAttribute("height")), most = Math.min(scale, 16000 / Math.max(width, height));
  const dressed = picture.cloneNode(true);
  dressed.querySelector("defs").prepend(element("style", {}, await carried(fonts)));
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([serialised(dressed)], {type: "image/svg+xml"}));
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), {width: Math.round(width * most), height: Math.round(height * most)});
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  return new Promise(done => canvas.toBlob(done, "image/png"));
}

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), {href: URL.createObjectURL(blob), download: name});
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
