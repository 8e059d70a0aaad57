/* One report on a page: unpacks its data, draws its figures, keeps their time axes together.

   Everything happens below one element. Of the page only `window.Plotly` is looked at, and set only
   where there is none. Nothing is ever fetched. */
(() => {
  "use strict";
  const host = document.currentScript.closest("[data-uringtrace]");
  const shadow = host.querySelector("template.uringtrace-content");
  const root = shadow ? host.attachShadow({ mode: "open" }) : host;
  if (shadow) root.append(shadow.content);
  const find = (selector) => root.querySelector(selector);
  const all = (selector) => [...root.querySelectorAll(selector)];
  const ROUNDING = 0.5; // ns, by which a moment in seconds may be off
  const OLDEST = 3; // of plotly.js: it reads typed arrays from base64

  // ---- unpacking -------------------------------------------------------------------------
  function bytesOf(base64) {
    const text = atob(base64.trim());
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  }
  async function unpacked(element) {
    const stream = new Blob([bytesOf(element.textContent)]).stream();
    return new Response(stream.pipeThrough(new DecompressionStream("gzip"))).text();
  }
  const KINDS = { i1: Int8Array, u1: Uint8Array, i2: Int16Array, u2: Uint16Array, i4: Int32Array,
    u4: Uint32Array, f4: Float32Array, f8: Float64Array };
  function arrays(value) {
    if (Array.isArray(value)) return value.map(arrays);
    if (value === null || typeof value !== "object") return value;
    if (typeof value.bdata === "string") return new KINDS[value.dtype](bytesOf(value.bdata).buffer);
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, arrays(each)]));
  }

  // ---- plotly.js: the page's own, that of this report, or of another one on the page -------
  const usable = (plotly) => plotly && plotly.newPlot && parseInt(plotly.version, 10) >= OLDEST;
  const loaded = new Promise((resolve) => {
    if (document.readyState === "complete") resolve();
    else window.addEventListener("load", () => resolve(), { once: true });
  });
  async function library() {
    if (usable(window.Plotly)) return window.Plotly;
    if (!window.uringtracePlotly) {
      if (!document.querySelector("script.uringtrace-plotly")) await loaded;
      if (usable(window.Plotly)) return window.Plotly;
      const packed = document.querySelector("script.uringtrace-plotly");
      if (!packed) throw new Error("plotly.js is not on this page: one fragment on it must carry it");
      // Asked again: another report may have begun while this one waited.
      window.uringtracePlotly = window.uringtracePlotly || evaluated(packed);
    }
    return window.uringtracePlotly;
  }
  async function evaluated(packed) {
    const text = await unpacked(packed);
    const before = window.Plotly, amd = window.define;
    const script = document.createElement("script");
    window.define = undefined; // or a module loader of the page would take it
    script.textContent = text;
    document.head.append(script);
    window.define = amd;
    const found = window.Plotly;
    if (before) window.Plotly = before; // too old for this report, but the page's own
    if (!usable(found)) throw new Error("plotly.js could not be started");
    return found;
  }

  /* plotly.js styles the page, where a shadow root does not look. */
  function styled() {
    if (!shadow) return;
    const style = document.createElement("style");
    const sheets = [...document.querySelectorAll("style[id^='plotly.js-style']")];
    style.textContent = sheets.flatMap((each) => [...each.sheet.cssRules]).map((rule) => rule.cssText).join("\n");
    root.prepend(style);
  }

  // ---- words -----------------------------------------------------------------------------
  function duration(ns) {
    const units = ["ns", "µs", "ms", "s"];
    let unit = 0;
    while (ns >= 999.5 && unit < 3) { ns /= 1000; unit++; }
    if (ns >= 99.95 || (unit === 0 && Number.isInteger(ns))) return ns.toFixed(0) + units[unit];
    return (ns >= 9.995 ? ns.toFixed(1) : ns.toFixed(2)) + units[unit];
  }
  const seconds = (ns) => (ns / 1e9).toFixed(6) + " s";
  const count = (number) => number.toLocaleString("en-US");

  // ---- the timeline ----------------------------------------------------------------------
  function timelineOf(data) {
    const { bars, cells, marks } = data;
    const total = bars.began.length;

    function within(low, high) {
      const covered = data.windows.some((each) => each[0] - ROUNDING <= Math.max(low, data.first)
        && Math.min(high, data.ended) <= each[1] + ROUNDING);
      if (!covered) return null;
      const found = [];
      for (let i = 0; i < total && bars.began[i] <= high; i++) {
        if (bars.ended[i] >= low) {
          found.push(i);
          if (found.length > data.mostDrawn) return null;
        }
      }
      return found;
    }
    const slowest = [];
    for (let i = 0; i < total; i++) if (bars.slowest[i]) slowest.push(i);

    function resultWords(i) {
      if (!bars.hasResult[i]) return "";
      const result = bars.result[i], name = result < 0 ? data.errors[-result] : undefined;
      return ` = ${result}${name ? " " + name : ""}`;
    }
    function barWords(i) {
      const before = bars.begunBefore[i];
      const lines = [`<b>${data.operations[bars.operation[i]]}</b>${resultWords(i)}`,
        `${before ? "≥ " : ""}${duration(bars.ended[i] - bars.began[i])}, from ${seconds(bars.began[i])} to ${seconds(bars.ended[i])}`];
      const said = [data.kinds[bars.kind[i]], before ? "began before the capture" : ""].filter(Boolean);
      if (said.length) lines.push(said.join(", "));
      if (bars.path[i] >= 0) lines.push(`path ${data.paths[bars.path[i]]}`);
      const who = [];
      if (bars.tid[i] >= 0) who.push(`thread ${bars.tid[i]}`);
      if (bars.fd[i] >= 0) who.push(`fd ${bars.fd[i]}${bars.file[i] >= 0 ? " " + data.files[bars.file[i]] : ""}`);
      if (who.length) lines.push(who.join(", "));
      if (bars.woken[i] >= 0) {
        lines.push(`woken by ${data.wakes[bars.wake[i]]}${bars.waker[i] >= 0 ? " " + bars.waker[i] : ""} at ${seconds(bars.woken[i])}`);
      }
      return lines.join("<br>");
    }

    function barTraces(chosen) {
      const traces = data.families.map((name, family) => ({
        type: "bar", orientation: "h", name, base: [], x: [], y: [], width: [], customdata: [],
        hovertext: [], hoverinfo: "text", showlegend: false,
        marker: { color: data.familyColours[family], line: { width: 1, color: [] },
          pattern: { shape: [], fillmode: "overlay", solidity: 0.35 } },
      }));
      for (const i of chosen) {
        const family = data.operationFamily[bars.operation[i]], trace = traces[family];
        const words = barWords(i), failed = bars.hasResult[i] && bars.result[i] < 0 && bars.result[i] >= -4095;
        for (let group = 0; group < bars.lane.length; group++) {
          const lane = bars.lane[group][i];
          if (lane < 0) continue;
          const height = data.laneHeight[lane] * 0.84, depth = data.lanes[lane].depth;
          trace.base.push(bars.began[i] / 1e9);
          trace.x.push((bars.ended[i] - bars.began[i]) / 1e9);
          trace.y.push(data.laneTop[lane] + data.laneHeight[lane] / 2
            + height * ((bars.slot[group][i] + 0.5) / depth - 0.5));
          trace.width.push(height / depth);
          trace.customdata.push(i);
          trace.hovertext.push(words);
          trace.marker.line.color.push(failed ? data.failed : data.familyColours[family]);
          trace.marker.pattern.shape.push(bars.path[i] >= 0 ? data.patterns[bars.path[i]] : "");
        }
      }
      return traces;
    }

    function markTraces(chosen, low, high) {
      const wakes = { name: "wake-up", symbol: "triangle-down", x: [], y: [], hovertext: [] };
      const ready = { name: "readiness", symbol: "diamond", x: [], y: [], hovertext: [] };
      for (const i of chosen) {
        const lane = bars.lane[0][i];
        if (bars.woken[i] < 0 || lane < 0) continue;
        wakes.x.push(bars.woken[i] / 1e9);
        wakes.y.push(data.laneTop[lane] + 0.05);
        wakes.hovertext.push(barWords(i));
      }
      for (let i = 0; i < marks.at.length; i++) {
        const lane = marks.lane[i];
        if (marks.at[i] < low || marks.at[i] > high || lane < 0) continue;
        ready.x.push(marks.at[i] / 1e9);
        ready.y.push(data.laneTop[lane] + data.laneHeight[lane] - 0.05);
        const fd = marks.fd[i] >= 0 ? `fd ${marks.fd[i]}` : "a descriptor";
        const file = marks.file[i] >= 0 ? " " + data.files[marks.file[i]] : "";
        ready.hovertext.push(`${fd}${file} was reported ready: ${data.events[marks.events[i]]}`);
      }
      return [wakes, ready].map((each) => ({ type: "scatter", mode: "markers", name: each.name, x: each.x,
        y: each.y, hovertext: each.hovertext, hoverinfo: "text", showlegend: false,
        marker: { symbol: each.symbol, size: 6, color: "#888888" } }));
    }

    let slowestKept = null;
    function slowestTraces() {
      slowestKept = slowestKept || barTraces(slowest);
      return slowestKept;
    }

    let cellsKept = null;
    function cellsTrace() {
      if (cellsKept) return cellsKept;
      let most = 0;
      for (const each of cells.count) most = Math.max(most, Math.log1p(each));
      const z = data.lanes.map(() => new Float32Array(cells.steps).fill(NaN));
      const text = data.lanes.map(() => new Array(cells.steps).fill(""));
      for (let i = 0; i < cells.count.length; i++) {
        const strength = most ? Math.log1p(cells.count[i]) / most : 1;
        z[cells.lane[i]][cells.at[i]] = cells.family[i] + 0.01 + 0.98 * strength;
        text[cells.lane[i]][cells.at[i]] = `${count(cells.count[i])} operations ended here, `
          + `${count(cells.ofFamily[i])} of them ${data.families[cells.family[i]]}`;
      }
      const last = data.lanes.length - 1;
      cellsKept = { type: "heatmap", z, text, x0: cells.first + cells.step / 2, dx: cells.step,
        y: last < 0 ? [] : [...data.laneTop, data.laneTop[last] + data.laneHeight[last]],
        zmin: 0, zmax: data.families.length, colorscale: data.familyScale, showscale: false,
        hoverongaps: false, hovertemplate: "%{x:.6f} s<br>%{text}<extra></extra>", name: "aggregated" };
      return cellsKept;
    }

    return { traces(from, to) {
      const low = from * 1e9, high = to * 1e9, chosen = within(low, high);
      if (chosen) {
        return { traces: [...markTraces(chosen, low, high), ...barTraces(chosen)], bars: chosen.length,
          words: `Every one of the ${count(chosen.length)} operations in this window is a bar.` };
      }
      const shown = slowest.filter((i) => bars.ended[i] >= low && bars.began[i] <= high).length;
      const why = data.complete ? "zoom in to see every operation"
        : "zoom into one of the windows below to see every operation";
      return { traces: [cellsTrace(), ...slowestTraces()], bars: null,
        words: `${data.cellsWords[0].toUpperCase()}${data.cellsWords.slice(1)} (${count(shown)} here); ${why}.` };
    } };
  }

  // ---- figures ---------------------------------------------------------------------------
  const css = (name) => getComputedStyle(find(".uringtrace")).getPropertyValue(name).trim();
  function theme(layout) {
    const ink = css("--ink"), grid = css("--grid"), line = css("--line");
    const axis = (each) => ({ ...each, gridcolor: grid, linecolor: line, zerolinecolor: line, tickcolor: line });
    return { ...layout, font: { ...layout.font, color: ink }, xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
      hoverlabel: { ...layout.hoverlabel, bgcolor: css("--raised"), bordercolor: line,
        font: { ...(layout.hoverlabel || {}).font, color: ink } } };
  }
  const CONFIG = { displaylogo: false, responsive: true, scrollZoom: false, doubleClick: false,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "resetScale2d"], showTips: false };

  async function start() {
    tables();
    const [plotly, text] = await Promise.all([library(), unpacked(find("script.uringtrace-data"))]);
    styled();
    const data = JSON.parse(text);
    const plots = new Map(all(".plot").map((each) => [each.dataset.figure, each]));
    let timeline = null;
    if (data.timeline) {
      [data.timeline.first, data.timeline.ended] = [data.first * 1e9, data.ended * 1e9];
      timeline = timelineOf(arrays(data.timeline));
    }
    const state = { from: data.first, to: data.ended, bars: null };
    const layouts = {}, drawings = new Map(), drawn = new Set();
    for (const [name, element] of plots) {
      layouts[name] = theme(data.figures[name].layout);
      element.style.minHeight = `${layouts[name].height}px`;
    }

    function timelineShown() {
      const found = timeline.traces(state.from, state.to);
      state.bars = found.bars;
      const said = find(".timeline-said");
      if (said) said.textContent = found.words;
      return found.traces;
    }
    function sized(name) {
      const layout = layouts[name];
      if (data.overTime.includes(name)) layout.xaxis = { ...layout.xaxis, range: [state.from, state.to], autorange: false };
      return layout;
    }
    async function drawing(name) {
      const element = plots.get(name);
      const traces = name === "timeline" ? timelineShown() : data.figures[name].data;
      await plotly.newPlot(element, traces, sized(name), CONFIG);
      drawn.add(name);
      if (data.overTime.includes(name)) {
        element.on("plotly_relayout", (change) => moved(change));
        element.on("plotly_doubleclick", () => show(data.first, data.ended));
      }
    }
    /* Each figure once: those in sight at first, the others while nothing else is to do. */
    function draw(name) {
      if (!drawings.has(name)) drawings.set(name, drawing(name));
      return drawings.get(name);
    }
    async function drawAll() {
      for (const name of plots.keys()) {
        if (!drawings.has(name)) await new Promise((resolve) => (window.requestIdleCallback || setTimeout)(resolve));
        await draw(name);
      }
    }

    // What plotly.js redraws because of us comes back as an event, too.
    let own = 0, waiting = null;
    function moved(change) {
      if (own || !change) return;
      let range = change["xaxis.range"];
      if (!range && "xaxis.range[0]" in change) range = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
      if (change["xaxis.autorange"]) range = [data.first, data.ended];
      if (!range) return;
      const [from, to] = range.map(Number);
      waiting = [from, to];
      requestAnimationFrame(() => {
        if (!waiting) return;
        const [from, to] = waiting;
        waiting = null;
        show(from, to);
      });
    }
    async function show(from, to) {
      if (!(to > from)) return;
      const least = Math.max(data.ended * 1e-9, 1e-9);
      if (to - from < least) to = from + least;
      [state.from, state.to] = [from, to];
      if (find(".time")) {
        find("input.from").value = from.toFixed(9).replace(/0+$/, "0");
        find("input.to").value = to.toFixed(9).replace(/0+$/, "0");
      }
      own++;
      try {
        await Promise.all(data.overTime.filter((each) => drawn.has(each)).map((each) => {
          const element = plots.get(each), before = state.bars;
          if (each === "timeline") {
            const traces = timelineShown();
            // Cells, and the slowest, are the same traces wherever one looks.
            if (before !== null || state.bars !== null) return plotly.react(element, traces, { ...sized(each) }, CONFIG);
          }
          return plotly.relayout(element, { "xaxis.range": [from, to] });
        }));
      } finally { own--; }
    }

    function zoomed(factor) {
      const middle = (state.from + state.to) / 2, half = (state.to - state.from) / 2 * factor;
      return within(middle - half, middle + half);
    }
    function shifted(part) {
      const by = (state.to - state.from) * part;
      return within(state.from + by, state.to + by);
    }
    function within(from, to) {
      const width = Math.min(to - from, data.ended - data.first);
      const first = Math.min(Math.max(from, data.first), data.ended - width);
      return show(first, first + width);
    }
    const ACTIONS = { in: () => zoomed(0.5), out: () => zoomed(2), left: () => shifted(-0.5),
      right: () => shifted(0.5), all: () => show(data.first, data.ended) };
    for (const button of all("button[data-action]")) {
      button.addEventListener("click", () => ACTIONS[button.dataset.action]());
    }
    for (const input of all(".time input")) {
      input.addEventListener("change", () => show(Number(find("input.from").value), Number(find("input.to").value)));
    }
    const KEYS = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "all" };
    for (const [name, element] of plots) {
      if (!data.overTime.includes(name)) continue;
      element.addEventListener("keydown", (event) => {
        if (!(event.key in KEYS) || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        ACTIONS[KEYS[event.key]]();
      });
    }
    for (const button of all("button[data-window]")) {
      const [from, to] = button.dataset.window.split(" ").map(Number);
      button.addEventListener("click", () => show(from, to));
    }
    for (const button of all("button[data-moment]")) {
      const [from, to] = button.dataset.moment.split(" ").map(Number);
      button.addEventListener("click", () => {
        const margin = Math.max((to - from) * 0.25, 2e-6);
        within(from - margin, to + margin);
        plots.get("timeline")?.scrollIntoView({ block: "nearest" });
      });
    }
    const choice = find("select.heat-choice");
    if (choice) {
      choice.addEventListener("change", () => plotly.restyle(plots.get("heat-map"),
        { visible: data.heatChoices.map((_, place) => place === choice.selectedIndex) }));
    }
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", async () => {
      for (const [name, element] of plots) {
        layouts[name] = theme(layouts[name]);
        if (drawn.has(name)) await plotly.react(element, element.data, sized(name), CONFIG);
      }
    });
    window.addEventListener("beforeprint", () => plots.forEach((_, name) => draw(name)));
    const nearby = new IntersectionObserver((entries) => {
      for (const each of entries) if (each.isIntersecting) draw(each.target.dataset.figure);
    }, { rootMargin: "300px" });
    plots.forEach((element) => nearby.observe(element));
    const inSight = [...plots].filter(([, element]) => element.getBoundingClientRect().top < innerHeight);
    await Promise.all(inSight.map(([name]) => draw(name)));
    return { data, state, show, plots, plotly, complete: drawAll() };
  }

  // ---- tables ----------------------------------------------------------------------------
  function tables() {
    for (const table of all("table[data-sorts]")) {
      const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
      const value = (row, place) => {
        const cell = row.cells[place];
        return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent;
      };
      heads.forEach((head, place) => head.querySelector("button")?.addEventListener("click", () => {
        const numbers = head.classList.contains("number");
        const now = head.getAttribute("aria-sort");
        const down = now ? now === "ascending" : numbers;
        heads.forEach((each) => each.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...body.rows].map((row) => [value(row, place), row]);
        const known = rows.filter(([each]) => each === each && each !== "–");
        const unknown = rows.filter(([each]) => each !== each || each === "–");
        known.sort(([one], [other]) => (typeof one === "number" ? one - other : one.localeCompare(other)) * (down ? -1 : 1));
        body.append(...known.map(([, row]) => row), ...unknown.map(([, row]) => row));
      }));
      const search = find(`input[data-searches="${table.dataset.sorts}"]`);
      const said = find(`[data-found="${table.dataset.sorts}"]`);
      search?.addEventListener("input", () => {
        const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
        let shown = 0;
        for (const row of body.rows) {
          const text = row.textContent.toLowerCase();
          row.hidden = !words.every((word) => text.includes(word));
          if (!row.hidden) shown++;
        }
        said.textContent = words.length ? `${count(shown)} of ${count(body.rows.length)} rows` : "";
      });
    }
  }

  host.uringtrace = start().then((report) => { host.dataset.uringtrace = "ready"; return report; });
  host.uringtrace.catch((error) => {
    host.dataset.uringtrace = "failed";
    const said = find(".failure");
    if (said) { said.hidden = false; said.textContent = `The figures cannot be drawn: ${error.message}`; }
  });
})();
