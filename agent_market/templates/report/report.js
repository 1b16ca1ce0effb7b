"use strict";
// Text from models is written with textContent only; nothing here builds markup from strings.
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const figures = read("figure-data");
  const decisions = read("decision-data");
  const byId = (id) => document.getElementById(id);

  function element(name, attributes, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === undefined || value === null || value === false) continue;
      if (key === "text") node.textContent = value;
      else if (key === "style") Object.assign(node.style, value);
      else node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  }

  // ---- plots ---------------------------------------------------------------------------------------

  const styles = () => getComputedStyle(document.documentElement);

  function coloured(value, style) {
    if (typeof value === "string") {
      const match = /^var\((--[\w-]+)\)$/.exec(value);
      return match ? style.getPropertyValue(match[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((item) => coloured(item, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, style)]));
    }
    return value;
  }

  function draw(holder, figure) {
    const style = styles();
    const token = (name) => style.getPropertyValue(name).trim();
    const { data, layout } = coloured(figure, style);
    const narrow = holder.clientWidth < 600;
    const axis = { gridcolor: token("--grid"), linecolor: token("--rule"), zerolinecolor: token("--muted"), zerolinewidth: 1, automargin: true };
    for (const key of Object.keys(layout)) {
      if (!/^[xy]axis/.test(key)) continue;
      layout[key] = { ...axis, zeroline: false, ...layout[key] };
      if (narrow && key[0] === "y" && layout[key].title) layout[key].title = { ...layout[key].title, standoff: 4 };
    }
    Object.assign(layout, {
      autosize: true,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: token("--text") },
      hovermode: "x unified",
      hoverlabel: { bgcolor: token("--raised"), bordercolor: token("--rule"), font: { color: token("--text") } },
      margin: { l: narrow ? 44 : 60, r: 8, t: 8, b: 30 },
      legend: { orientation: "h", x: 0, y: -46 / (layout.height - 40), yanchor: "top", ...(layout.legend || {}) },
    });
    Plotly.react(holder, data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
  }

  const holders = Object.fromEntries([...document.querySelectorAll("[data-figure]")].map((node) => [node.dataset.figure, node]));

  function drawAll() {
    const pair = byId("pair").value;
    draw(holders.equity, figures.equity);
    if (holders.reliability) draw(holders.reliability, figures.reliability);
    draw(holders.pairs, figures.pairs[pair]);
    draw(holders.rewards, figures.rewards[byId("all-pairs").checked ? "" : pair]);
  }

  byId("pair").addEventListener("change", drawAll);
  byId("all-pairs").addEventListener("change", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  drawAll();

  // ---- decisions -----------------------------------------------------------------------------------

  const PAGE = 25;
  const text = (index) => (index === null ? "" : decisions.texts[index]);
  const fixed = (value, digits) => {
    if (value === null || value === undefined) return "–";
    const written = Math.abs(value).toFixed(digits);
    return (value < 0 && Number(written) !== 0 ? "−" : "") + written;
  };
  const sided = (value, digits) => (value > 0 ? "+" : "") + fixed(value, digits);
  const percent = (value, digits = 2) => (value === null || value === undefined ? "–" : sided(value * 100, digits) + "%");
  const moment = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
  const side = (value) => (value > 0 ? "up" : value < 0 ? "down" : "quiet");

  const columns = [
    { name: "As of (UTC)", value: (d) => d.t, cell: (d) => element("th", { scope: "row", text: moment(d.t) }) },
    { name: "Pair", words: true, value: (d) => text(d.pair) },
    { name: "Regime", words: true, value: (d) => text(d.regime) },
    { name: "Depth", value: (d) => d.depth, show: (d) => sided(d.depth, 1), tone: (d) => d.depth },
    { name: "After risk", value: (d) => d.allowed, show: (d) => sided(d.allowed, 1), tone: (d) => d.allowed },
    { name: "Action", words: true, value: (d) => text(d.action) },
    { name: "Confidence", value: (d) => d.confidence, show: (d) => fixed(d.confidence, 2) },
    { name: "Abstained", value: (d) => d.views.filter((v) => v[8] !== null).length },
    { name: "Traded", value: (d) => (d.traded ? 1 : 0), show: (d) => (d.traded ? "yes" : "") },
    {
      name: "Market then", value: (d) => (d.outcome ? d.outcome.return : -Infinity),
      show: (d) => (d.outcome ? percent(d.outcome.return) : "open"), tone: (d) => (d.outcome ? d.outcome.return : 0),
    },
  ];

  const state = { sort: 0, down: true, page: 0, open: null };
  const haystack = decisions.rows.map((d) =>
    [text(d.pair), text(d.regime), ...d.views.flatMap((v) => [text(v[0]), text(v[6]), ...v[7].map(text), text(v[8])]), ...d.clamps.map((c) => text(c[0]))]
      .join("\n").toLowerCase());

  function chosen() {
    const wanted = byId("search").value.trim().toLowerCase();
    const pair = byId("of-pair").value;
    const action = byId("of-action").value;
    const only = byId("only").value;
    return decisions.rows.filter((d, index) =>
      (!wanted || haystack[index].includes(wanted)) && (!pair || text(d.pair) === pair) && (!action || text(d.action) === action) &&
      (only !== "traded" || d.traded) && (only !== "abstained" || d.views.some((v) => v[8] !== null)) && (only !== "clamped" || d.clamps.length));
  }

  function sorted(rows) {
    const value = columns[state.sort].value;
    const order = state.down ? -1 : 1;
    return [...rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      return x < y ? -order : x > y ? order : b.t - a.t;
    });
  }

  function heading(column, index) {
    const arrow = index === state.sort ? (state.down ? "↓" : "↑") : "";
    const button = element("button", { type: "button", "data-arrow": arrow, text: column.name });
    button.addEventListener("click", () => {
      state.down = index === state.sort ? !state.down : true;
      state.sort = index;
      state.page = 0;
      show();
    });
    const direction = index === state.sort ? (state.down ? "descending" : "ascending") : "none";
    return element("th", { scope: "col", class: column.words && "label", "aria-sort": direction }, button);
  }

  function rowOf(decision) {
    const cells = columns.map((column) => {
      if (column.cell) return column.cell(decision);
      const tone = column.tone ? side(column.tone(decision)) : "";
      return element("td", { class: column.words ? "label" : tone, text: column.show ? column.show(decision) : column.value(decision) });
    });
    const isOpen = state.open === decision;
    const row = element("tr", { class: isOpen ? "row open" : "row", tabindex: "0", "aria-expanded": String(isOpen) }, ...cells);
    const toggle = () => {
      state.open = isOpen ? null : decision;
      show();
    };
    row.addEventListener("click", toggle);
    row.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      toggle();
    });
    return isOpen ? [row, element("tr", { class: "detail" }, element("td", { colspan: columns.length }, element("div", { class: "sheet" }, ...detail(decision))))] : [row];
  }

  function viewOf([agent, depth, confidence, weight, contribution, reward, belief, reasons, cause, without]) {
    const abstained = cause !== null;
    const half = Math.min(Math.abs(contribution) / 10, 1) * 50;
    const bar = element("div", { class: "contribution", title: "contribution to the depth, out of 10" },
      element("i", { style: { left: (contribution < 0 ? 50 - half : 50) + "%", width: half + "%" } }));
    return element("div", { class: "view" },
      element("h4", {}, element("span", { text: text(agent) }),
        element("span", { class: abstained ? "abstained" : side(depth), text: abstained ? "abstained" : sided(depth, 1) })),
      abstained ? element("p", { class: "abstained", text: text(cause) }) : bar,
      element("div", {
        class: "small",
        text: abstained ? "weight 0" : `weight ${fixed(weight * 100, 0)}%, contributes ${sided(contribution, 2)} (without it ${sided(without, 2)}), confidence ${fixed(confidence, 2)}, reward ${fixed(reward, 2)}`,
      }),
      text(belief) ? element("p", { text: text(belief) }) : null,
      reasons.length ? element("ul", {}, ...reasons.map((reason) => element("li", { text: text(reason) }))) : null);
  }

  function mini(headings, rows) {
    return element("table", { class: "mini" },
      element("thead", {}, element("tr", {}, ...headings.map((name) => element("th", { text: name })))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((value) => element("td", { text: value }))))));
  }

  function detail(d) {
    const part = (name) => element("h4", { class: "part", text: name });
    const outcome = d.outcome
      ? `Known ${moment(d.outcome.known)}: market ${percent(d.outcome.return)}, best ${percent(d.outcome.best)}, worst ${percent(d.outcome.worst)}, round-trip cost ${percent(d.outcome.cost)}.`
      : "Not known at the end of the run.";
    return [
      element("div", { class: "views" }, ...d.views.map(viewOf)),
      d.nets.length
        ? element("p", { class: "small", text: `Learned nets in force: ${d.nets.map(text).join(", ").replaceAll("_", " ")}. The decision net moved the depth by ${sided(d.shift, 2)}.` })
        : null,
      part("Risk"),
      d.clamps.length
        ? mini(["Limit", "Threshold", "Seen", "Depth before", "Depth after"],
          d.clamps.map(([limit, threshold, value, before, after]) => [text(limit), String(threshold), String(value), sided(before, 2), sided(after, 2)]))
        : element("p", { class: "small", text: "No limit bound." }),
      part("What came of it"), element("p", { class: "small", text: outcome }),
      part("Similar moments recalled"),
      d.recall.length
        ? mini(["As of", "Distance", "Market then"], d.recall.map(([t, distance, market]) => [moment(t), fixed(distance, 3), percent(market)]))
        : element("p", { class: "small", text: "None: no similar episode had a known outcome." }),
      part("What the agents saw"),
      d.features.length
        ? element("ul", { class: "numbers" }, ...d.features.map(([name, value]) =>
          element("li", {}, element("span", { class: "quiet", text: text(name) }), element("span", { text: String(value) }))))
        : element("p", { class: "small", text: "No feature was known." }),
    ];
  }

  function show() {
    const rows = sorted(chosen());
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    state.page = Math.min(state.page, pages - 1);
    const shown = rows.slice(state.page * PAGE, (state.page + 1) * PAGE);
    byId("decision-table").replaceChildren(
      element("thead", {}, element("tr", {}, ...columns.map(heading))),
      element("tbody", {}, ...shown.flatMap(rowOf)));
    const all = decisions.rows.length;
    const left = decisions.left_out ? ` The ${decisions.left_out} oldest are left out of this page; “agent-market decisions” lists them.` : "";
    byId("counted").textContent = all
      ? `${rows.length} of ${all} decisions. Select one to see why.${left}`
      : "There are no decisions to show.";
    byId("page").textContent = `${state.page + 1} of ${pages}`;
    byId("previous").disabled = state.page === 0;
    byId("next").disabled = state.page >= pages - 1;
  }

  function offer(select, values) {
    for (const value of [...new Set(values)].sort()) select.append(element("option", { value, text: value }));
  }

  offer(byId("of-pair"), decisions.rows.map((d) => text(d.pair)));
  offer(byId("of-action"), decisions.rows.map((d) => text(d.action)));
  for (const id of ["search", "of-pair", "of-action", "only"]) {
    byId(id).addEventListener("input", () => {
      state.page = 0;
      show();
    });
  }
  const turn = (by) => () => {
    state.page += by;
    show();
  };
  byId("previous").addEventListener("click", turn(-1));
  byId("next").addEventListener("click", turn(1));
  show();
})();
