// The filters between logits and the next token: the same arithmetic as model/generation/choose.py, so that a dial acts
// at once. A browser test holds the two together. Logits are numbers, minus infinity where a filter has cut a token.

const PENALTIES = ["repetition_penalty", "frequency_penalty", "presence_penalty"];
const ORDER = [...PENALTIES, "temperature", "top_k", "top_p", "min_p", "typical"];
const IDLE = {repetition_penalty: 1, frequency_penalty: 0, presence_penalty: 0, temperature: 1, top_k: 0, top_p: 1, min_p: 0, typical: 1};

const FILTERS = {
  repetition_penalty: (logits, penalty, seen) =>
    logits.map((value, id) => (!seen.has(id) ? value : value > 0 ? value / penalty : value * penalty)),
  frequency_penalty: (logits, penalty, seen) => logits.map((value, id) => value - penalty * (seen.get(id) ?? 0)),
  presence_penalty: (logits, penalty, seen) => logits.map((value, id) => (seen.has(id) ? value - penalty : value)),
  temperature: (logits, temperature) => logits.map(value => value / temperature),
  top_k: (logits, k) => only(logits, ranked(logits).slice(0, k)),
  top_p: (logits, p) => {
    const order = ranked(logits), shares = softmax(logits);
    let reached = 0, count = 0;
    while (count < order.length && reached < p) reached += shares[order[count++]];
    return only(logits, order.slice(0, count));
  },
  min_p: (logits, share) => {
    const least = highest(logits) + Math.log(share);
    return logits.map(value => (value >= least ? value : -Infinity));
  },
  typical: (logits, mass) => {
    const shares = softmax(logits), surprise = shares.map(share => (share > 0 ? -Math.log(share) : Infinity));
    const entropy = shares.reduce((sum, share, id) => (share > 0 ? sum + share * surprise[id] : sum), 0);
    const strange = surprise.map(each => Math.abs(each - entropy)), nearest = [...strange.keys()].sort((a, b) => apart(strange[a], strange[b]));
    let reached = 0, count = 0;
    while (count < nearest.length && reached < mass) reached += shares[nearest[count++]];
    const farthest = strange[nearest[count - 1]];
    return logits.map((value, id) => (strange[id] <= farthest ? value : -Infinity));
  },
  greedy: logits => only(logits, [logits.indexOf(highest(logits))]),
};

/** What each filter receives and lets through, in order: [{name, entered, left}]. `seen` says how often each id occurred so far. */
function stages(logits, dials, seen) {
  const names = dials.temperature === 0 ? [...PENALTIES, "greedy"] : ORDER;
  let left = Float64Array.from(logits);
  return names.map(name => {
    const entered = left;
    left = dials[name] === IDLE[name] && name !== "greedy" ? entered : FILTERS[name](entered, dials[name], seen);
    return {name, entered, left};
  });
}

/** The token that covers `u` when the probabilities are laid end to end, the greatest first. */
function draw(probabilities, u) {
  const order = ranked(probabilities, 0), total = order.reduce((sum, id) => sum + probabilities[id], 0);
  let end = 0;
  return order.find(id => (end += probabilities[id]) > u * total) ?? order.at(-1);
}

function softmax(logits) {
  const top = highest(logits), weights = Float64Array.from(logits, value => Math.exp(value - top));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map(weight => weight / sum);
}

/** The ids above a floor, from the greatest value to the least; of equals, the lowest id first. */
function ranked(values, above = -Infinity) {
  const ids = [];
  values.forEach((value, id) => { if (value > above) ids.push(id); });
  return ids.sort((a, b) => values[b] - values[a]);
}

function only(logits, kept) {
  const out = new Float64Array(logits.length).fill(-Infinity);
  for (const id of kept) out[id] = logits[id];
  return out;
}

/** Which of two numbers comes first; two infinities are equal. */
const apart = (a, b) => (a === b ? 0 : a - b);

const highest = values => values.reduce((top, value) => Math.max(top, value), -Infinity);
