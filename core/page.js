"use strict";
// The page's only script: readings under the pointer in charts, and the sample browser.
// Whatever comes from a model is set by textContent, never as HTML.
(() => {
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children); // strings become text nodes
    return element;
  };

  // Charts: what stands at the step under the pointer.
  for (const figure of document.querySelectorAll(".chart")) {
    const data = JSON.parse(figure.dataset.chart);
    const svg = figure.querySelector("svg");
    const cursor = svg.querySelector(".cursor");
    const tip = make("div", { class: "tip", hidden: "" });
    figure.append(tip);
    const hide = () => {
      tip.hidden = true;
      cursor.setAttribute("visibility", "hidden");
    };
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("pointermove", (event) => {
      if (!data.x.length) return;
      const box = svg.getBoundingClientRect();
      const at = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
      let near = 0;
      data.px.forEach((px, i) => {
        if (Math.abs(px - at) < Math.abs(data.px[near] - at)) near = i;
      });
      cursor.setAttribute("transform", `translate(${data.px[near]} 0)`);
      cursor.setAttribute("visibility", "visible");
      const lines = data.names.map((name, s) => {
        const value = data.y[s][near];
        return value === null || value === undefined ? null : `${name}  ${value}`;
      });
      tip.textContent = [`${data.x_name} ${data.x[near]}`, ...lines.filter(Boolean)].join("\n");
      tip.hidden = false;
      const left = (data.px[near] / svg.viewBox.baseVal.width) * box.width;
      const flip = left > box.width / 2;
      tip.style.left = flip ? "auto" : `${left + 12}px`;
      tip.style.right = flip ? `${box.width - left + 12}px` : "auto";
    });
  }

  // The sample browser: filters and paging, both kept in the address.
  const browser = document.getElementById("browser");
  if (!browser) return;
  const cards = JSON.parse(document.getElementById("cards").textContent);
  const pageSize = Number(browser.dataset.pageSize);
  const facets = ["outcome", ...new Set(cards.flatMap((card) => Object.keys(card.facets)))];
  const valueOf = (card, facet) => String(facet === "outcome" ? card.outcome : card.facets[facet] ?? "");
  const state = { page: 1, text: "" };
  for (const facet of facets) state[facet] = "";

  const matches = (card, except) =>
    facets.every((facet) => facet === except || !state[facet] || valueOf(card, facet) === state[facet]) &&
    (!state.text ||
      [...card.texts, ...card.notes].some(([, text]) => text.toLowerCase().includes(state.text.toLowerCase())));

  const filters = make("form", { class: "filters", role: "search", "aria-label": "Choose samples" });
  const selects = {};
  for (const facet of facets) {
    selects[facet] = make("select", { name: facet });
    filters.append(make("label", {}, facet.replaceAll("_", " "), selects[facet]));
    selects[facet].addEventListener("change", () => go({ [facet]: selects[facet].value, page: 1 }));
  }
  const search = make("input", { type: "search", name: "text", placeholder: "any text" });
  search.addEventListener("input", () => go({ text: search.value, page: 1 }));
  filters.append(make("label", {}, "contains", search));
  filters.addEventListener("submit", (event) => event.preventDefault());

  const pagers = [0, 1].map((index) => {
    const back = make("button", { type: "button" }, "← Previous page");
    const next = make("button", { type: "button" }, "Next page →");
    // One of the two tells screen readers; both would say it twice.
    const where = make("span", index === 0 ? { "aria-live": "polite" } : {});
    const turn = (by) => {
      go({ page: state.page + by });
      if (index === 1) browser.scrollIntoView(); // read the new page from its top
    };
    back.addEventListener("click", () => turn(-1));
    next.addEventListener("click", () => turn(1));
    const hint = make("span", { class: "hint" }, "keys ← and →");
    return { back, next, where, bar: make("div", { class: "pager" }, back, next, where, hint) };
  });
  const list = make("div", { id: "samples" });
  browser.append(filters, pagers[0].bar, list, pagers[1].bar);

  const fillSelects = () => {
    for (const facet of facets) {
      const counts = new Map();
      let all = 0;
      for (const card of cards) {
        if (!matches(card, facet)) continue;
        all += 1;
        const value = valueOf(card, facet);
        counts.set(value, (counts.get(value) ?? 0) + 1);
      }
      if (state[facet] && !counts.has(state[facet])) counts.set(state[facet], 0);
      const values = [...counts.keys()].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
      const options = [make("option", { value: "" }, `all (${all})`)];
      for (const value of values) {
        const shown = facet === "outcome" ? value.replaceAll("_", " ") : value;
        options.push(make("option", { value }, `${shown} (${counts.get(value)})`));
      }
      selects[facet].replaceChildren(...options);
      selects[facet].value = state[facet];
    }
    if (search.value !== state.text) search.value = state.text;
  };

  const cardElement = (card) => {
    const head = make("div", { class: "head" }, make("strong", {}, card.outcome.replaceAll("_", " ")));
    const facts = [...Object.entries(card.facets), ...card.facts];
    for (const [label, value] of facts) head.append(make("span", {}, `${label} `, make("b", {}, String(value))));
    const element = make("article", { class: "card", "data-outcome": card.outcome }, head);
    element.style.setProperty("--colour", `var(--${card.outcome}, var(--soft))`);
    for (const [label, text] of card.texts) {
      element.append(make("h3", {}, label), make("pre", { tabindex: "0", "aria-label": label }, text));
    }
    if (card.notes.length) {
      const notes = make("dl", { class: "facts" });
      for (const [label, text] of card.notes) notes.append(make("dt", {}, label), make("dd", {}, text));
      element.append(notes);
    }
    if (card.evidence) {
      element.append(make("details", {}, make("summary", {}, "Evidence"), make("pre", { tabindex: "0" }, card.evidence)));
    }
    return element;
  };

  const show = () => {
    fillSelects();
    const found = cards.filter((card) => matches(card));
    const pages = Math.max(1, Math.ceil(found.length / pageSize));
    state.page = Math.min(Math.max(1, state.page), pages);
    const first = (state.page - 1) * pageSize;
    list.replaceChildren(...found.slice(first, first + pageSize).map(cardElement));
    const last = Math.min(first + pageSize, found.length);
    for (const { back, next, where } of pagers) {
      back.disabled = state.page === 1;
      next.disabled = state.page === pages;
      where.textContent = found.length
        ? `page ${state.page} of ${pages} · samples ${first + 1}–${last} of ${found.length}`
        : "no sample matches";
    }
  };

  const go = (change) => {
    Object.assign(state, change);
    show();
    const address = new URLSearchParams();
    for (const [name, value] of Object.entries(state)) {
      if (value && !(name === "page" && value === 1)) address.set(name, value);
    }
    history.replaceState(null, "", `#${address}`);
  };

  const readAddress = () => {
    const hash = location.hash.slice(1);
    if (hash && !hash.includes("=")) return; // an anchor of the page, not a choice of samples
    const address = new URLSearchParams(hash);
    for (const facet of facets) state[facet] = address.get(facet) ?? "";
    state.text = address.get("text") ?? "";
    state.page = Number.parseInt(address.get("page") ?? "1", 10) || 1;
    show();
    if (hash) browser.scrollIntoView();
  };

  window.addEventListener("hashchange", readAddress);
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest("input, select, textarea, pre")) return;
    if (event.key === "ArrowRight" && !pagers[0].next.disabled) go({ page: state.page + 1 });
    if (event.key === "ArrowLeft" && !pagers[0].back.disabled) go({ page: state.page - 1 });
  });
  show();
  readAddress();
})();
