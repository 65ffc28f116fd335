"use strict";
// Whatever a peer chose gets into the page as text content or into the canvas, never as HTML. It comes escaped:
// no character in it reorders or hides what stands around it.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const { nodes, flows, rule_texts: rules } = data;

  // Told apart by line, arrowhead, mark and word; the colour only helps.
  const OUTCOMES = {
    allowed: { word: "allowed", mark: "✓", line: "solid", dash: "", arrow: "triangle" },
    denied: { word: "denied", mark: "✕", line: "dashed", dash: "7 4", arrow: "tee" },
    audit: { word: "audit only", mark: "!", line: "dotted", dash: "2 3", arrow: "vee" },
    unidentified: { word: "unidentified", mark: "?", line: "dashed", dash: "10 3 2 3", arrow: "diamond" },
  };
  const SHAPES = { pod: "hexagon", container: "round-rectangle", process: "ellipse", destination: "diamond" };
  const KINDS = Object.keys(SHAPES);
  const MARKS = { pod: "⬢", container: "▬", process: "●", destination: "◆" };
  // Flows that the list shows: beyond that, nobody reads on but searches.
  const LISTED = 300;
  // Flows from which on speed counts for more than beauty.
  const MANY = 1500;

  const make = (tag, attributes = {}, ...children) => {
    const svg = ["svg", "path", "text", "rect"].includes(tag);
    const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const mark = (outcome) => make("svg", { class: `mark ${outcome}`, viewBox: "0 0 30 14", "aria-hidden": "true" },
    make("path", { d: "M0 7H30", "stroke-dasharray": OUTCOMES[outcome].dash }),
    make("text", { x: 15, y: 7.5 }, OUTCOMES[outcome].mark));
  const time = (ms) => new Date(ms).toISOString().replace("T", " ").slice(0, 19) + "Z";
  const number = (count) => count.toLocaleString("en");

  // ---- what is shown

  const state = { off: new Set(), search: "", from: 0, to: data.spans - 1, selected: null };
  flows.forEach((flow, index) => { flow.id = `f${index}`; });
  for (const flow of flows) {
    const named = [flow.pod, flow.container, flow.process, flow.destination].filter((i) => i !== null);
    flow.text = [...named.map((i) => nodes[i].name), ...named.map((i) => nodes[i].note ?? ""), OUTCOMES[flow.outcome].word,
      ...flow.reasons.map(([reason]) => reason), ...flow.rules, ...flow.nearest, ...flow.exe, ...flow.code,
      ...flow.carriers, ...flow.requests].join("\n").toLowerCase();
  }
  // Spans and their counts by turns: one array for each span would be half a million.
  const spans = (flow, each) => {
    for (let at = 0; at < flow.when.length; at += 2) each(flow.when[at], flow.when[at + 1]);
  };
  const countOf = (flow) => {
    let sum = 0;
    spans(flow, (span, count) => { if (span >= state.from && span <= state.to) sum += count; });
    return sum;
  };
  const visible = () => {
    const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
    return flows.filter((flow) => !state.off.has(flow.outcome) && words.every((word) => flow.text.includes(word)) && countOf(flow) > 0);
  };

  // ---- the graph

  // Columns from left to right; a column of many nodes is folded into several, so that the whole stays about
  // as wide as high. Destinations stand near whoever reaches them.
  const WIDE = 230, HIGH = 46;
  const positions = () => {
    const order = new Map();
    const reached = new Map();
    for (const flow of flows) {
      for (const [from, to] of [[flow.pod, flow.container], [flow.container ?? flow.pod, flow.process], [flow.process, flow.destination]]) {
        if (to === null) continue;
        if (!reached.has(to)) reached.set(to, []);
        reached.get(to).push(from);
      }
    }
    let x = 0;
    const place = new Map();
    for (const kind of KINDS) {
      const column = nodes.map((node, index) => ({ node, index })).filter(({ node }) => node.kind === kind);
      const rank = ({ index }) => {
        const from = reached.get(index) ?? [];
        return from.reduce((sum, other) => sum + (order.get(other) ?? 0), 0) / Math.max(1, from.length);
      };
      const ranked = column.map((item) => ({ ...item, rank: rank(item) }));
      ranked.sort((a, b) => a.rank - b.rank || (a.node.name < b.node.name ? -1 : 1));
      const rows = Math.max(24, Math.ceil(Math.sqrt(ranked.length * WIDE / HIGH)));
      const columns = Math.max(1, Math.ceil(ranked.length / rows));
      const perColumn = Math.ceil(ranked.length / columns);
      ranked.forEach(({ index }, at) => {
        order.set(index, at / Math.max(1, ranked.length));
        place.set(index, { x: x + Math.floor(at / perColumn) * WIDE, y: (at % perColumn - (perColumn - 1) / 2) * HIGH });
      });
      x += columns * WIDE + (kind === "process" ? 2 * WIDE : 0);
    }
    return place;
  };

  const elements = () => {
    const place = positions();
    const list = nodes.map((node, index) => ({
      group: "nodes", classes: `${node.kind}${node.unidentified ? " stranger" : ""}`, position: place.get(index),
      data: { id: `n${index}`, label: node.name.length > 34 ? `${node.name.slice(0, 33)}…` : node.name },
    }));
    const structure = new Set();
    const pairs = new Map();
    for (const flow of flows) {
      if (flow.container !== null) structure.add(`${flow.pod}-${flow.container}`);
      structure.add(`${flow.container ?? flow.pod}-${flow.process}`);
      const pair = `${flow.process}-${flow.destination}`;
      pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
    }
    for (const edge of structure) {
      const [source, target] = edge.split("-");
      list.push({ group: "edges", classes: "structure", data: { id: `s${edge}`, source: `n${source}`, target: `n${target}` } });
    }
    flows.forEach((flow) => {
      const siblings = pairs.get(`${flow.process}-${flow.destination}`) > 1;
      list.push({
        group: "edges", classes: `flow ${flow.outcome}${siblings ? " siblings" : ""}`,
        data: { id: flow.id, ...(flow.outcome === "allowed" ? { allowed: true } : {}), source: `n${flow.process}`, target: `n${flow.destination}`, width: 1.4 + Math.min(4, Math.log10(flow.count)) },
      });
    });
    return list;
  };

  // A canvas knows no CSS variables, and light-dark() has to be resolved.
  const probe = make("span", { hidden: "" });
  document.body.append(probe);
  const colour = (name) => { probe.style.color = `var(--${name})`; return getComputedStyle(probe).color; };
  const style = () => [
    { selector: "node", style: {
      width: 20, height: 20, "background-color": colour("faint"), "border-width": 1.5, "border-color": colour("card"),
      label: "data(label)", color: colour("ink"), "font-size": 11, "font-family": "system-ui, sans-serif",
      "text-valign": "bottom", "text-margin-y": 3, "min-zoomed-font-size": 7,
      "text-background-color": colour("back"), "text-background-opacity": 0.8, "text-background-padding": 1,
    } },
    ...KINDS.map((kind) => ({ selector: `.${kind}`, style: { shape: SHAPES[kind] } })),
    { selector: ".container", style: { width: 30, height: 14 } },
    { selector: ".process", style: { "background-color": colour("ink") } },
    { selector: ".stranger", style: { "background-color": colour("card"), "border-color": colour("unidentified"), "border-style": "dashed", "border-width": 2.5 } },
    { selector: "edge", style: { "curve-style": "haystack", width: 1.2, "line-color": colour("line") } },
    // An arrowhead costs more than its line: many allowed flows do without.
    { selector: flows.length > MANY ? ".flow[^allowed], .siblings" : ".flow", style: { "curve-style": "straight" } },
    { selector: ".siblings", style: { "curve-style": "bezier", "control-point-step-size": 26 } },
    { selector: ".flow", style: { width: "data(width)", "target-arrow-fill": "filled", "arrow-scale": 1.1,
      "font-size": 12, "font-weight": 700, "min-zoomed-font-size": 8, "text-background-color": colour("back"),
      "text-background-opacity": 1, "text-background-padding": 2, "text-background-shape": "round-rectangle" } },
    ...Object.entries(OUTCOMES).map(([name, { line, arrow, mark, dash }]) => ({ selector: `.${name}`, style: {
      "line-color": colour(name), "target-arrow-color": colour(name), "target-arrow-shape": arrow, "line-style": line,
      ...(line === "dashed" ? { "line-dash-pattern": dash.split(" ").map(Number) } : {}), color: colour(name),
      ...(name === "allowed" ? { opacity: 0.55 } : { label: mark, "z-index": 2 }),
    } })),
    { selector: ".far", style: { opacity: 0.12, "text-opacity": 0 } },
    { selector: ".off", style: { display: "none" } },
    { selector: ".chosen", style: { "overlay-color": colour("focus"), "overlay-opacity": 0.25, "overlay-padding": 5, "z-index": 9 } },
  ];

  const cy = cytoscape({
    container: $("graph"), elements: elements(), style: style(), layout: { name: "preset" }, autoungrabify: true,
    boxSelectionEnabled: false, minZoom: 0.02, maxZoom: 4,
    // What keeps some thousand elements fluid while they are moved.
    hideEdgesOnViewport: flows.length > MANY, textureOnViewport: flows.length > MANY,
    pixelRatio: flows.length > MANY ? 1 : "auto",
  });
  // Cytoscape's own way measures every label and edge, which takes seconds where there are thousands.
  const fit = () => {
    const at = all.filter(({ id, node }) => node && !hidden.has(id)).map(({ node }) => node);
    if (at.length === 0) return;
    const [left, right] = [Math.min(...at.map(({ x }) => x)) - WIDE / 2, Math.max(...at.map(({ x }) => x)) + WIDE / 2];
    const [top, bottom] = [Math.min(...at.map(({ y }) => y)) - HIGH, Math.max(...at.map(({ y }) => y)) + HIGH];
    const zoom = Math.min(1.5, cy.width() / (right - left), cy.height() / (bottom - top));
    cy.viewport({ zoom, pan: { x: (cy.width() - zoom * (left + right)) / 2, y: (cy.height() - zoom * (top + bottom)) / 2 } });
  };
  const all = cy.elements().map((element) => ({ id: element.id(), element, node: element.isNode() && { ...element.position() } }));
  const hidden = new Set();

  // ---- filters

  const show = () => {
    const seen = visible();
    const shown = new Set();
    for (const flow of seen) {
      for (const index of [flow.pod, flow.container, flow.process, flow.destination]) if (index !== null) shown.add(`n${index}`);
      shown.add(flow.container === null ? `s${flow.pod}-${flow.process}` : `s${flow.pod}-${flow.container}`);
      if (flow.container !== null) shown.add(`s${flow.container}-${flow.process}`);
      shown.add(flow.id);
    }
    cy.batch(() => {
      for (const { id, element } of all) {
        if (shown.has(id) !== hidden.has(id)) continue;
        if (shown.has(id)) hidden.delete(id); else hidden.add(id);
        element.toggleClass("off", !shown.has(id));
      }
    });
    $("empty").hidden = seen.length > 0;
    const total = seen.reduce((sum, flow) => sum + countOf(flow), 0);
    const left = data.left_out > 0 ? `, ${number(data.left_out)} records left out` : "";
    $("summary").textContent = `${number(seen.length)} of ${number(flows.length)} flows, ${number(total)} decisions${left}`;
    fill(seen, shown);
    bars(seen);
  };

  const fill = (seen, shown) => {
    const sorted = [...seen].sort((a, b) => (a.outcome === "allowed") - (b.outcome === "allowed") || countOf(b) - countOf(a));
    const items = sorted.slice(0, LISTED).map((flow) => {
      const id = flow.id;
      return make("li", { role: "option", id: `item-${id}`, "data-id": id, "aria-selected": String(state.selected === id), onclick: () => select(id) },
        mark(flow.outcome), make("span", { class: "name" }, nodes[flow.process].name),
        make("span", { class: "count" }, number(countOf(flow))),
        make("span", { class: "to" }, `${OUTCOMES[flow.outcome].word} → ${nodes[flow.destination].name}`));
    });
    if (sorted.length > LISTED) items.push(make("li", { class: "more" }, `and ${number(sorted.length - LISTED)} more: search for them`));
    $("list").replaceChildren(...items);
    if (state.selected && !shown.has(state.selected)) select(null);
  };

  // ---- details

  const select = (id, follow = false) => {
    state.selected = id;
    cy.batch(() => {
      cy.elements().removeClass("chosen far");
      const chosen = id ? cy.getElementById(id) : cy.collection();
      if (chosen.empty()) return;
      const near = chosen.isNode() ? chosen.union(chosen.predecessors()).union(chosen.successors()) : chosen.union(chosen.source().predecessors()).union(chosen.connectedNodes());
      cy.elements().difference(near).addClass("far");
      chosen.addClass("chosen");
      if (follow) cy.center(chosen);
    });
    for (const item of $("list").children) {
      const is = item.dataset.id === id;
      item.setAttribute("aria-selected", String(is));
      if (is) item.scrollIntoView({ block: "nearest" });
    }
    if (id?.startsWith("f")) $("list").setAttribute("aria-activedescendant", `item-${id}`);
    else $("list").removeAttribute("aria-activedescendant");
    $("side").hidden = !id;
    $("side").replaceChildren(...(id ? details(id) : []));
    cy.resize();
  };

  const details = (id) => {
    const close = make("button", { class: "close", "aria-label": "Close details", onclick: () => select(null) }, "✕");
    return [close, ...(id.startsWith("f") ? ofFlow(flows[Number(id.slice(1))]) : ofNode(Number(id.slice(1))))];
  };
  const rows = (pairs) => make("dl", {}, ...pairs.filter(([, values]) => values.length > 0).flatMap(([name, values]) =>
    [make("dt", {}, name), make("dd", {}, ...values.flatMap((value, at) => at > 0 ? [make("br"), value] : [value]))]));
  const code = (text) => make("code", {}, text);

  const ofFlow = (flow) => {
    const outcome = OUTCOMES[flow.outcome];
    const copy = make("button", { onclick: () => navigator.clipboard?.writeText(flow.explain).then(() => { copy.textContent = "Copied"; }) }, "Copy");
    const texts = flow.rules.concat(flow.nearest).filter((name) => Object.hasOwn(rules, name));
    return [
      make("h2", {}, `${nodes[flow.process].name} → ${nodes[flow.destination].name}`),
      make("div", { class: `verdict ${flow.outcome}` }, mark(flow.outcome), outcome.word + (flow.outcome === "unidentified" ? `, ${flow.proceeded ? "proceeded" : "denied"}` : "")),
      rows([
        ["pod", [nodes[flow.pod].name]],
        ["container", flow.container === null ? [] : [nodes[flow.container].note ?? nodes[flow.container].name]],
        ["reason", flow.reasons.map(([reason, count]) => `${reason} (${number(count)})`)],
        ["seen", flow.details],
        ["rule", flow.rules], ["nearest rule", flow.nearest],
        ["decisions", [number(countOf(flow)) + (countOf(flow) === flow.count ? "" : ` of ${number(flow.count)}`)]],
        ["first seen", [time(flow.first)]], ["last seen", [time(flow.last)]],
        ["exe", flow.exe.map(code)], ["code list", flow.code.map(code)],
        ["carrier", flow.carriers], ["address", flow.addresses], ["requests", flow.requests.map(code)],
      ]),
      make("h3", {}, "Why"), make("pre", { id: "explain" }, flow.explain), copy,
      ...texts.flatMap((name) => [make("h3", {}, `Rule ${name}`), make("pre", {}, rules[name])]),
    ];
  };

  const ofNode = (index) => {
    const node = nodes[index];
    const own = visible().filter((flow) => [flow.pod, flow.container, flow.process, flow.destination].includes(index));
    const buttons = own.slice(0, LISTED).map((flow) => make("li", { onclick: () => select(flow.id, true) },
      make("button", {}, mark(flow.outcome), ` ${nodes[flow.process].name} → ${nodes[flow.destination].name}, ${number(countOf(flow))}`)));
    return [
      make("h2", {}, node.name), rows([["", [`${MARKS[node.kind]} ${node.kind}`]], ["", node.note ? [node.note] : []]]),
      make("h3", {}, `${number(own.length)} flows`), make("ul", {}, ...buttons),
    ];
  };

  // ---- time

  const bars = (seen) => {
    const counts = new Array(data.spans).fill(0);
    for (const flow of seen.length ? flows : []) spans(flow, (span, count) => { counts[span] += count; });
    const most = Math.max(1, ...counts);
    $("bars").setAttribute("viewBox", `0 0 ${data.spans} 34`);
    $("bars").replaceChildren(...counts.map((count, at) => {
      const height = count > 0 ? Math.max(2, 32 * count / most) : 0;
      return make("rect", { x: at + 0.1, y: 34 - height, width: 0.8, height, class: at >= state.from && at <= state.to ? "in" : "" });
    }));
    $("from-text").textContent = time(edge(state.from));
    $("to-text").textContent = time(edge(state.to + 1));
  };
  const edge = (span) => data.first + (data.last - data.first) * span / data.spans;
  for (const name of ["from", "to"]) {
    $(name).max = String(data.spans - 1);
    $(name).value = String(state[name]);
    $(name).addEventListener("input", () => {
      state[name] = Number($(name).value);
      const other = name === "from" ? "to" : "from";
      if (state.from > state.to) { state[other] = state[name]; $(other).value = String(state[name]); }
      show();
    });
  }

  // ---- controls

  for (const [name, { word }] of Object.entries(OUTCOMES)) {
    const box = make("input", { type: "checkbox", id: `show-${name}`, onchange: () => {
      if (box.checked) state.off.delete(name); else state.off.add(name);
      show();
    } });
    box.checked = true;
    $("outcomes").append(make("label", { class: name }, box, mark(name), word));
  }
  let typing;
  $("search").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => { state.search = $("search").value; show(); }, 80);
  });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const restyle = () => cy.style(style());
  dark.addEventListener("change", restyle);
  $("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const now = root.dataset.theme ?? (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    restyle();
  });
  const zoom = (factor) => cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
  $("in").addEventListener("click", () => zoom(1.4));
  $("out").addEventListener("click", () => zoom(1 / 1.4));
  $("fit").addEventListener("click", fit);
  cy.on("tap", (event) => {
    if (event.target === cy) select(null);
    else if (!event.target.hasClass("structure")) select(event.target.id());
  });
  cy.on("mouseover", ".flow, node", () => { $("graph").style.cursor = "pointer"; });
  cy.on("mouseout", ".flow, node", () => { $("graph").style.cursor = ""; });

  $("list").addEventListener("keydown", (event) => {
    const ids = [...$("list").children].map((item) => item.dataset.id).filter(Boolean);
    const at = ids.indexOf(state.selected);
    const to = { ArrowDown: at + 1, ArrowUp: Math.max(0, at - 1), Home: 0, End: ids.length - 1 }[event.key];
    if (to === undefined || ids.length === 0) return;
    event.preventDefault();
    select(ids[Math.min(to, ids.length - 1)], true);
  });
  $("graph").addEventListener("keydown", (event) => {
    const pan = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
    if (!pan) return;
    event.preventDefault();
    cy.panBy({ x: pan[0], y: pan[1] });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { select(null); $("list").focus(); }
    if (event.target.matches("input[type=search]") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") { event.preventDefault(); $("search").focus(); }
    if (event.key === "+") zoom(1.4);
    if (event.key === "-") zoom(1 / 1.4);
    if (event.key === "0") fit();
  });
  addEventListener("resize", () => cy.resize());

  show();
  fit();
})();
