"use strict";
(() => {
  // The search: every word must be in a row, and its verdict must be chosen.
  document.documentElement.classList.add("live");
  const field = document.querySelector("#search");
  const boxes = [...document.querySelectorAll("input[name=outcome]")];
  const rows = [...document.querySelectorAll("[data-text]")];
  const groups = [...document.querySelectorAll("[data-group]")];
  const count = document.querySelector("#count");
  const show = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let claims = 0;
    for (const row of rows) {
      const outcome = row.dataset.outcome;
      row.hidden = !words.every((word) => row.dataset.text.includes(word)) || Boolean(outcome && !chosen.has(outcome));
      claims += outcome && !row.hidden ? 1 : 0;
    }
    for (const group of groups) group.hidden = !group.querySelector("[data-text]:not([hidden])");
    count.textContent = claims === 1 ? "1 claim" : `${claims} claims`;
  };
  for (const element of [field, ...boxes]) element.addEventListener("input", show);
  let asked = location.hash.slice(1);
  try {
    asked = decodeURIComponent(asked);
  } catch {
    // a percent sign that starts no code: it is searched for as it stands
  }
  field.value = document.getElementById(asked) ? "" : asked; // a part of the page is gone to, not searched for
  show();
})();
