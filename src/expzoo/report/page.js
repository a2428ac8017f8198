"use strict";
(() => {
  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const draw = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const signed = (text) => text.replace("-", "\u2212");
  // A value to two digits of its interval's half-width.
  const numbers = ([, , , value, low, high]) => {
    const half = low === null || high === null ? 0 : (high - low) / 2;
    if (!half) return [signed(String(value)), ""];
    const digits = Math.min(8, Math.max(0, 1 - Math.floor(Math.log10(half))));
    const [v, l, h] = [value, low, high].map((number) => signed(number.toFixed(digits)));
    return [v, `[${l}, ${h}]`];
  };

  // Pointing at a figure (or the arrow keys) shows the values of every curve at the nearest point.
  function point(plot) {
    const svg = plot.querySelector("svg");
    const panels = JSON.parse(plot.dataset.readings || "[]");
    if (!svg || !panels.length) return;
    const [, , width, height] = svg.getAttribute("viewBox").split(/[\s,]+/).map(Number);
    const tip = plot.appendChild(make("div", "tip"));
    const layer = svg.appendChild(draw("g", { class: "pointed" }));
    tip.setAttribute("aria-live", "polite");
    for (const panel of panels) {
      const axis = panel.along === "x" ? 0 : 1;
      const places = new Map();
      for (const p of panel.series.flatMap((series) => series.points)) places.set(p[2], [...places.get(p[2]) ?? [], p[axis]]);
      const mean = (list) => list.reduce((a, b) => a + b) / list.length;
      panel.keys = [...places].map(([key, list]) => [key, mean(list)]).sort((a, b) => a[1] - b[1]);
    }
    let place = null;

    const hide = () => { tip.hidden = true; layer.replaceChildren(); };
    const show = (panel, index) => {
      place = [panel, index];
      const [key, along] = panel.keys[index];
      const hits = panel.series.flatMap((s) => s.points.filter((p) => p[2] === key).map((p) => [s, p]));
      hits.sort((a, b) => b[1][3] - a[1][3]);
      const [left, top, right, bottom] = panel.box;
      const line = panel.along === "x"
        ? { x1: along * width, x2: along * width, y1: top * height, y2: bottom * height }
        : { x1: left * width, x2: right * width, y1: along * height, y2: along * height };
      const rule = panel.point || panel.along === "y" ? [draw("line", line)] : [];
      layer.replaceChildren(...rule, ...hits.map(([s, p]) =>
        draw("circle", { cx: p[0] * width, cy: p[1] * height, r: 4.5, fill: s.colour })));
      tip.replaceChildren(make("strong", "", `${panel.point} ${panel.point ? signed(key) : key}`.trim()));
      const table = tip.appendChild(make("table"));
      for (const [s, p] of hits) {
        const [value, range] = numbers(p);
        const row = table.insertRow();
        row.insertCell().append(Object.assign(make("i"), { style: `background:${s.colour}` }));
        row.append(make("td", "", s.label.replaceAll("_", " ")), make("td", "number", value));
        row.append(make("td", "number", range));
      }
      tip.append(make("span", "", panel.value));
      tip.hidden = false;
      position(panel.along === "x" ? along : hits[0][1][0], panel.along === "x" ? top : along);
    };
    const position = (across, down) => {
      const frame = plot.getBoundingClientRect();
      const at = new DOMPoint(across * width, down * height).matrixTransform(svg.getScreenCTM());
      const x = at.x - frame.left, y = at.y - frame.top;
      const right = x + 14 + tip.offsetWidth <= frame.width ? x + 14 : x - 14 - tip.offsetWidth;
      tip.style.left = `${Math.max(0, Math.min(right, frame.width - tip.offsetWidth))}px`;
      tip.style.top = `${Math.max(0, Math.min(y + 10, frame.height - tip.offsetHeight))}px`;
    };
    const follow = (event) => {
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      const x = at.x / width, y = at.y / height;
      const panel = panels.find(({ box: [l, t, r, b] }) => x > l - .02 && x < r + .02 && y > t - .03 && y < b + .03);
      if (!panel) return hide();
      const pointer = panel.along === "x" ? x : y;
      const distances = panel.keys.map(([, along]) => Math.abs(along - pointer));
      show(panel, distances.indexOf(Math.min(...distances)));
    };
    hide();
    plot.addEventListener("pointermove", (event) => { if (!event.buttons || event.pointerType === "touch") follow(event); });
    plot.addEventListener("pointerdown", follow);
    plot.addEventListener("pointerleave", hide);
    plot.addEventListener("blur", hide);
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") hide();
      if (!step) return;
      event.preventDefault();
      const all = panels.flatMap((panel) => panel.keys.map((_, index) => [panel, index]));
      const now = all.findIndex(([panel, index]) => place && panel === place[0] && index === place[1]);
      show(...all[Math.max(0, Math.min(all.length - 1, now + step))]);
    });
  }

  // A large view: wheel or pinch to zoom about the pointer, drag to move, double click to see all.
  function enlarge(plot) {
    const dialog = document.body.appendChild(make("dialog", "large"));
    const copy = dialog.appendChild(plot.cloneNode(true));
    copy.querySelectorAll(".tip, .pointed").forEach((element) => element.remove());
    const svg = copy.querySelector("svg");
    const all = svg.getAttribute("viewBox").split(/[\s,]+/).map(Number);
    let view = [...all];
    const look = (next) => { view = next; svg.setAttribute("viewBox", view.join(" ")); };
    const inside = (event) => new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const zoom = (factor, centre) => {
      const size = Math.min(all[2], Math.max(all[2] / 20, view[2] * factor));
      const ratio = size / view[2];
      if (size === all[2]) return look([...all]);
      look([centre.x - (centre.x - view[0]) * ratio, centre.y - (centre.y - view[1]) * ratio, size, view[3] * ratio]);
    };
    const middle = () => ({ x: view[0] + view[2] / 2, y: view[1] + view[3] / 2 });
    const fingers = new Map();
    const move = (event) => {
      if (!fingers.has(event.pointerId)) return;
      const others = [...fingers].filter(([id]) => id !== event.pointerId).map(([, p]) => p);
      const before = fingers.get(event.pointerId);
      fingers.set(event.pointerId, event);
      if (others.length) {
        const span = (p) => Math.hypot(p.clientX - others[0].clientX, p.clientY - others[0].clientY) || 1;
        return zoom(span(before) / span(event), inside(event));
      }
      const from = inside(before), to = inside(event);
      if (view[2] < all[2]) look([view[0] + from.x - to.x, view[1] + from.y - to.y, view[2], view[3]]);
    };
    svg.addEventListener("wheel", (event) => { event.preventDefault(); zoom(Math.exp(event.deltaY / 400), inside(event)); });
    svg.addEventListener("pointerdown", (event) => { fingers.set(event.pointerId, event); svg.setPointerCapture(event.pointerId); });
    svg.addEventListener("pointermove", move);
    for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, (event) => fingers.delete(event.pointerId));
    svg.addEventListener("dblclick", () => look([...all]));
    const bar = dialog.appendChild(make("div", "bar"));
    const button = (text, label, action) => {
      const element = bar.appendChild(make("button", "", text));
      element.type = "button";
      element.setAttribute("aria-label", label);
      element.addEventListener("click", action);
      return element;
    };
    button("+", "Zoom in", () => zoom(1 / 1.5, middle()));
    button("\u2212", "Zoom out", () => zoom(1.5, middle()));
    button("All", "See all of the figure", () => look([...all]));
    button("Close", "Close", () => dialog.close()).autofocus = true;
    dialog.addEventListener("close", () => dialog.remove());
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.showModal();
    point(copy);
  }

  async function copy(button) {
    const text = button.parentElement.querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const field = document.body.appendChild(Object.assign(make("textarea"), { value: text }));
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }

  document.querySelectorAll(".plot").forEach(point);
  document.querySelectorAll("button.copy").forEach((b) => b.addEventListener("click", () => copy(b)));
  document.querySelectorAll("button.enlarge").forEach((b) =>
    b.addEventListener("click", () => enlarge(b.closest("figure").querySelector(".plot"))));
  addEventListener("beforeprint", () => document.querySelectorAll("details.print").forEach((d) => { d.open = true; }));
  document.documentElement.classList.add("live");
})();
