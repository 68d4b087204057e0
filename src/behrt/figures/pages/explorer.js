"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const state = {
    patient: 0, visit: "read", direction: "from", layer: data.layers - 1, head: "mean",
    strongest: 15, prediction: 0,
  };
  const decoded = new Map();

  // --- What is shown -------------------------------------------------------------------------

  const patient = () => data.patients[state.patient];
  const lastVisit = () => Math.max(...patient().words.map((word) => word.visit));
  const isDisease = (word) => word.disease !== null;
  const nameOf = (word) => isDisease(word) ? data.diseases[word.disease].name : word.special;
  const years = (months) => Math.floor(months / 12);
  const visitName = (visit) =>
    isDisease(patient().words.find((word) => word.visit === visit && word.special !== "CLS"))
      ? `visit ${visit + 1}` : "next visit";
  const fullName = (word) =>
    word.special === "CLS" ? "CLS" : `${nameOf(word)} (${visitName(word.visit)})`;

  // A weight is stored as a byte: 255 times its square root.
  const weightsOf = (index) => {
    if (!decoded.has(index)) {
      const text = atob(data.patients[index].attention);
      const weights = new Float64Array(text.length);
      for (let i = 0; i < text.length; i += 1) weights[i] = (text.charCodeAt(i) / 255) ** 2;
      decoded.set(index, weights);
    }
    return decoded.get(index);
  };

  const weight = (from, to) => {
    const n = patient().words.length;
    const weights = weightsOf(state.patient);
    const at = (head) => weights[((state.layer * data.heads + head) * n + from) * n + to];
    if (state.head !== "mean") return at(state.head);
    let sum = 0;
    for (let head = 0; head < data.heads; head += 1) sum += at(head);
    return sum / data.heads;
  };

  const chosenWords = () => {
    if (state.visit === "read") return [patient().read];
    return patient().words.flatMap((word, i) =>
      isDisease(word) && word.visit === state.visit ? [i] : []);
  };

  const links = () => {
    const found = [];
    for (const chosen of chosenWords()) {
      patient().words.forEach((_, other) => {
        if (other === chosen) return;
        const [from, to] = state.direction === "from" ? [chosen, other] : [other, chosen];
        found.push({ from, to, weight: weight(from, to) });
      });
    }
    return found.sort((a, b) => b.weight - a.weight).slice(0, state.strongest);
  };

  const contributions = () =>
    state.prediction === null ? null : patient().predictions[state.prediction].contributions;

  // --- Making elements -----------------------------------------------------------------------

  const SVG = "http://www.w3.org/2000/svg";
  const fill = (element, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const html = (tag, attributes = {}, ...children) =>
    fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes = {}, ...children) =>
    fill(document.createElementNS(SVG, tag), attributes, children);

  const SHAPES = {
    o: "M-5.5 0a5.5 5.5 0 1 0 11 0a5.5 5.5 0 1 0-11 0z",
    D: "M0-6.5L6.5 0L0 6.5L-6.5 0z",
    "^": "M0-6.5L6.2 5H-6.2z",
    s: "M-5-5H5V5H-5z",
  };
  const mark = (chapter) => {
    const { colour, marker } = data.chapters[chapter];
    return svg("path", { d: SHAPES[marker], fill: colour, stroke: "#1d2733", "stroke-width": 0.7 });
  };

  // --- The history ---------------------------------------------------------------------------

  const ROW = 29, LABELS = 250, AXIS = 22, LEADERS = 46, HEADER = 40, LEFT = 44, RIGHT = 40;

  const shortened = (name, most) =>
    name.length <= most ? name : `${name.slice(0, most - 1).trimEnd()}…`;

  const layOut = () => {
    const { words } = patient();
    const rows = [...new Set(words.filter(isDisease).map((word) => word.disease))];
    const columns = lastVisit() + 1;
    const available = byId("history").clientWidth;
    const width = Math.max(available, LABELS + LEFT + RIGHT + columns * 46, 560);
    const step = (width - LABELS - LEFT - RIGHT) / columns;
    const top = AXIS + LEADERS + HEADER;
    const x = (visit) => LABELS + LEFT + (visit + 0.5) * step;
    const specials = top + (rows.length + 0.7) * ROW;
    const places = words.map((word) => {
      if (isDisease(word)) {
        return { x: x(word.visit), y: top + (rows.indexOf(word.disease) + 0.5) * ROW };
      }
      if (word.special === "CLS") return { x: LABELS + 18, y: specials };
      const next = !words.some((one) => one.visit === word.visit && isDisease(one));
      const aside = word.special === "MASK" ? -16 : next ? 18 : step * 0.25;
      return { x: x(word.visit) + aside, y: specials };
    });
    return { rows, columns, width, step, top, x, specials, places, height: specials + ROW };
  };

  const ageAxis = (layout) => {
    const { words } = patient();
    const ages = words.map((word) => word.age);
    const low = years(Math.min(...ages)), high = years(Math.max(...ages)) + 1;
    const start = layout.x(0), end = layout.x(layout.columns - 1);
    const across = (months) => layout.columns === 1 ? start
      : start + (end - start) * (months / 12 - low) / (high - low);
    const group = svg("g", { "aria-hidden": "true" });
    const every = [1, 2, 5, 10, 20].find((gap) => (high - low) / gap <= (end - start) / 42) ?? 50;
    group.append(
      svg("line", { x1: start, x2: end, y1: AXIS, y2: AXIS, stroke: "#8a949e" }),
      svg("text", { x: LABELS + 18, y: AXIS - 6, class: "soft", "text-anchor": "middle" }, "age"));
    for (let age = Math.ceil(low / every) * every; age <= high; age += every) {
      const place = across(age * 12);
      group.append(
        svg("line", { x1: place, x2: place, y1: AXIS - 4, y2: AXIS, stroke: "#8a949e" }),
        svg("text", { x: place, y: AXIS - 7, class: "soft", "text-anchor": "middle" }, `${age}`));
    }
    for (let visit = 0; visit < layout.columns; visit += 1) {
      const { age } = words.find((word) => word.visit === visit);
      const from = across(age), to = layout.x(visit), middle = AXIS + LEADERS / 2;
      group.append(
        svg("circle", { cx: from, cy: AXIS, r: 2.5, fill: "#5d6975" }),
        svg("path", {
          d: `M${from} ${AXIS}C${from} ${middle} ${to} ${middle} ${to} ${AXIS + LEADERS}`,
          fill: "none", stroke: "#b9c2cb",
        }));
    }
    return group;
  };

  const visitButton = (layout, visit) => {
    const word = patient().words.find((one) => one.visit === visit);
    const future = visitName(visit) === "next visit";
    const width = Math.min(layout.step - 4, 60), y = AXIS + LEADERS;
    const label = future ? "Next visit, from which the predictions are read"
      : `Visit ${visit + 1}, age ${years(word.age)}`;
    const pressed = future ? state.visit === "read" : state.visit === visit;
    const button = svg("g", {
      class: "visit", role: "button", tabindex: 0, "aria-label": label, "aria-pressed": pressed,
      "data-visit": visit,
    },
    svg("title", {}, label),
    svg("rect", {
      class: "focus", x: layout.x(visit) - width / 2, y, width, height: HEADER - 6, rx: 6,
    }),
    svg("text", {
      x: layout.x(visit), y: y + (future ? 21 : 14), "text-anchor": "middle", "font-weight": 600,
    },
      future ? "next" : `${visit + 1}`),
    svg("text", { x: layout.x(visit), y: y + 28, "text-anchor": "middle", "font-size": 10.5 },
      future ? "" : `age ${years(word.age)}`));
    const choose = () => {
      state.visit = future ? "read" : visit;
      draw();
      byId("history").querySelector(`[data-visit="${visit}"]`).focus();
    };
    button.addEventListener("click", choose);
    button.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        choose();
      }
      const aside = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (aside) {
        event.preventDefault();
        byId("history").querySelector(`[data-visit="${visit + aside}"]`)?.focus();
      }
    });
    return button;
  };

  const curve = (a, b) => {
    if (a.x === b.x) {
      const bulge = a.x + 14 + Math.abs(a.y - b.y) * 0.25;
      return `M${a.x} ${a.y}C${bulge} ${a.y} ${bulge} ${b.y} ${b.x} ${b.y}`;
    }
    const bend = a.y === b.y ? Math.min(ROW * 0.8, 8 + Math.abs(a.x - b.x) * 0.08) : 0;
    const middle = (a.x + b.x) / 2;
    return `M${a.x} ${a.y}C${middle} ${a.y - bend} ${middle} ${b.y - bend} ${b.x} ${b.y}`;
  };

  const factorText = (contribution) => {
    const factor = Math.exp(contribution);
    return `×${factor >= 9.95 ? factor.toFixed(0) : factor >= 0.995 ? factor.toFixed(1) : factor.toFixed(2)}`;
  };

  const drawHistory = (drawn) => {
    const { words } = patient();
    const layout = layOut();
    const { places } = layout;
    const title = `History of patient ${state.patient + 1}: ${layout.columns} columns of visits, ` +
      `${layout.rows.length} rows of diseases, ${drawn.length} links`;
    const picture = svg("svg", {
      width: layout.width, height: layout.height, role: "group", "aria-label": title,
    });
    layout.rows.forEach((disease, i) => {
      const y = layout.top + (i + 0.5) * ROW;
      const { name, chapter } = data.diseases[disease];
      const label = svg("g", { transform: `translate(10 ${y})` }, mark(chapter));
      picture.append(
        svg("line", { x1: 0, x2: layout.width, y1: y, y2: y, stroke: "#edf0f3" }), label,
        svg("text", { x: 24, y: y + 4 }, svg("title", {}, `${name}: ${chapter}`), shortened(name, 36)));
    });
    picture.append(
      svg("text", { x: 24, y: layout.specials + 4, class: "soft" }, "Special tokens"));
    if (state.visit !== "read") {
      const width = Math.min(layout.step - 4, 60);
      picture.append(svg("rect", {
        x: layout.x(state.visit) - width / 2, y: layout.top - 6, width,
        height: layout.specials - layout.top + 20, rx: 6, fill: "#e3eef8",
      }));
    }
    picture.append(ageAxis(layout));

    const given = contributions();
    const discs = svg("g", { "aria-hidden": "true" });
    if (given) {
      const most = Math.max(...patient().predictions.flatMap((one) => one.contributions.map(Math.abs)));
      given.forEach((value, i) => {
        if (!isDisease(words[i]) || Math.abs(value) < 0.05) return;
        discs.append(svg("circle", {
          class: "disc", "data-word": i, cx: places[i].x, cy: places[i].y,
          r: 5 + 11 * Math.sqrt(Math.abs(value) / most),
          fill: value > 0 ? "#b35806" : "#542788", "fill-opacity": 0.3,
        }));
      });
    }
    picture.append(discs);

    const strongest = Math.max(...drawn.map((link) => link.weight), 1e-9);
    const lines = svg("g", {});
    [...drawn].reverse().forEach((link) => {
      const share = link.weight / strongest;
      lines.append(svg("path", {
        class: "link", d: curve(places[link.from], places[link.to]),
        "data-from": link.from, "data-to": link.to, "data-weight": link.weight,
        "stroke-width": 0.6 + 4.4 * share, "stroke-opacity": 0.2 + 0.6 * share,
      }, svg("title", {},
        `${fullName(words[link.from])} attends to ${fullName(words[link.to])}: ${link.weight.toFixed(3)}`)));
    });
    picture.append(lines);

    words.forEach((word, i) => {
      const place = { transform: `translate(${places[i].x} ${places[i].y})`, "data-word": i };
      const note = given && isDisease(word)
        ? `, multiplies the odds of ${data.diseases[patient().predictions[state.prediction].disease].name} by ${factorText(given[i]).slice(1)}` : "";
      const hint = svg("title", {}, `${fullName(word)}, age ${years(word.age)}${note}`);
      if (isDisease(word)) {
        picture.append(svg("g", place, hint, mark(data.diseases[word.disease].chapter)));
        if (given && Math.abs(given[i]) >= 0.25) {
          picture.append(svg("text", {
            class: `factor ${given[i] > 0 ? "raises" : "lowers"}`,
            x: places[i].x + 9, y: places[i].y - 7, style: `fill:${given[i] > 0 ? "#8a4200" : "#542788"}`,
          }, factorText(given[i])));
        }
      } else {
        const reads = i === patient().read;
        picture.append(svg("g", place, hint,
          svg("rect", {
            x: -15, y: -8, width: 30, height: 16, rx: 4, stroke: reads ? "#0b4f8a" : "#aab4bf",
            fill: reads ? "#e3eef8" : "#fff",
          }),
          svg("text", { y: 3.5, "font-size": 9.5, "text-anchor": "middle", class: reads ? "" : "soft" },
            word.special)));
      }
    });
    for (let visit = 0; visit < layout.columns; visit += 1) picture.append(visitButton(layout, visit));
    byId("history").replaceChildren(picture);
  };

  // --- Beside it -----------------------------------------------------------------------------

  const percent = (risk) => risk >= 0.0995 ? `${(100 * risk).toFixed(0)} %` : `${(100 * risk).toFixed(1)} %`;

  const drawPredictions = () => {
    const { predictions } = patient();
    const full = Math.max(...predictions.map((one) => one.risk));
    byId("predictions").replaceChildren(...predictions.map((one, i) => {
      const { name, average } = data.diseases[one.disease];
      const times = average > 0 ? one.risk / average : null;
      const bar = html("span", { class: "bar", "aria-hidden": "true" }, html("i"), html("b"));
      bar.children[0].style.width = `${100 * one.risk / full}%`;
      if (average === null) bar.children[1].remove();  // too few patients to show
      else bar.children[1].style.left = `${Math.min(100, 100 * average / full)}%`;
      const note = html("small", {}, one.known ? "in the history" : "new");
      if (times !== null) {
        note.append(` · ${times >= 9.95 ? times.toFixed(0) : times.toFixed(1)} times the average, ${percent(average)}`);
      }
      if (one.observed) note.append(" · ", html("span", { class: "observed" }, "✓ recorded later"));
      const button = html("button", {
        type: "button", "aria-pressed": i === state.prediction, "data-disease": one.disease,
      }, html("span", {}, name), html("span", { class: "risk" }, percent(one.risk)), bar, note);
      button.addEventListener("click", () => {
        state.prediction = state.prediction === i ? null : i;
        draw();
        byId("predictions").querySelectorAll("button")[i].focus();
      });
      return html("li", {}, button);
    }));
  };

  const drawFutures = () => {
    const { future } = patient();
    if (!future) return;
    const row = (name, shares) => html("tr", {}, html("td", {}, name),
      ...[0, 4, 9].map((year) => html("td", {}, percent(shares[year]))));
    byId("incidence").tBodies[0].replaceChildren(row("Death", future.death),
      ...future.diseases.map((one) => row(data.diseases[one.disease].name, one.shares)));
    byId("samples").replaceChildren(...future.samples.map((sample, i) => html("details", {},
      html("summary", {}, `Future ${i + 1}: visits ${sample.filter((one) => one.diseases).length}` +
        (sample.some((one) => !one.diseases) ? ", then death" : "")),
      html("ul", {}, ...sample.map((one) => html("li", {}, `age ${years(one.age)}: ` + (one.diseases
        ? one.diseases.map((disease) => data.diseases[disease].name).join(", ") : "death")))))));
  };

  const drawTables = (drawn) => {
    const { words } = patient();
    byId("links").tBodies[0].replaceChildren(...drawn.map((link) => html("tr", {},
      html("td", {}, fullName(words[link.from])), html("td", {}, fullName(words[link.to])),
      html("td", {}, link.weight.toFixed(3)))));
    const given = contributions();
    byId("contributions").hidden = !given;
    if (!given) return;
    const { disease } = patient().predictions[state.prediction];
    byId("contributions").caption.textContent = `Contributions to ${data.diseases[disease].name}`;
    byId("contributions").tBodies[0].replaceChildren(...words.flatMap((word, i) => isDisease(word)
      ? [html("tr", {}, html("td", {}, fullName(word)), html("td", {}, factorText(given[i]).slice(1)))]
      : []));
  };

  const drawText = (drawn) => {
    const { words, read } = patient();
    const heads = state.head === "mean" ? `mean of ${data.heads} heads` : `head ${state.head + 1}`;
    const best = drawn[0];
    byId("summary").textContent = `Layer ${state.layer + 1}, ${heads}: ` +
      `${fullName(words[best.from])} attends to ${fullName(words[best.to])} with a weight of ${best.weight.toFixed(2)}.`;
    const aside = state.layer === data.layers - 1 &&
      !(state.visit === "read" && state.direction === "from");
    byId("layer-note").hidden = !aside;
    byId("layer-note").textContent = `In the last layer, only the attention of ${words[read].special} ` +
      "reaches the predictions; the other weights are computed but have no effect.";
    byId("strongest-shown").textContent = state.strongest;
  };

  const drawLegend = () => {
    const chapters = [...new Set(patient().words.filter(isDisease)
      .map((word) => data.diseases[word.disease].chapter))].sort();
    byId("legend").replaceChildren(...chapters.map((chapter) => html("li", {},
      svg("svg", { width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": "true" }, mark(chapter)),
      chapter)));
  };

  // --- The controls --------------------------------------------------------------------------

  const segments = (id, options, key) => {
    const group = html("span", { class: "segments" });
    for (const [value, text] of options) {
      const input = html("input", { type: "radio", name: id, value });
      input.checked = state[key] === value;
      input.addEventListener("change", () => {
        state[key] = value;
        draw();
      });
      group.append(html("label", {}, input, html("span", {}, text)));
    }
    byId(id).append(group);
  };

  const counted = (length) => Array.from({ length }, (_, i) => [i, `${i + 1}`]);

  const fillVisits = () => {
    const { words, read } = patient();
    const options = [["read", `the predictions (${words[read].special})`]];
    for (let visit = 0; visit <= lastVisit(); visit += 1) {
      const word = words.find((one) => one.visit === visit);
      if (words.some((one) => one.visit === visit && isDisease(one))) {
        options.push([visit, `visit ${visit + 1}, age ${years(word.age)}`]);
      }
    }
    byId("visit").replaceChildren(...options.map(([value, text]) => html("option", { value }, text)));
  };

  const choosePatient = (index) => {
    state.patient = (index + data.patients.length) % data.patients.length;
    state.visit = "read";
    state.prediction = 0;
    fillVisits();
    drawLegend();
    draw();
  };

  const draw = () => {
    const drawn = links();
    byId("patient").value = state.patient;
    byId("visit").value = state.visit;
    drawHistory(drawn);
    drawPredictions();
    drawFutures();
    drawTables(drawn);
    drawText(drawn);
  };

  data.patients.forEach((one, i) => {
    const ages = one.words.map((word) => years(word.age));
    const visits = new Set(one.words.filter(isDisease).map((word) => word.visit)).size;
    const text = `${i + 1}: ${one.sex}, ${visits} visits, age ${Math.min(...ages)}–${Math.max(...ages)}`;
    byId("patient").append(html("option", { value: i }, text));
  });
  segments("direction", [["from", "attends to"], ["to", "is attended by"]], "direction");
  segments("layer", counted(data.layers), "layer");
  segments("head", [["mean", "mean"], ...counted(data.heads)], "head");
  byId("patient").addEventListener("change", (event) => choosePatient(Number(event.target.value)));
  byId("previous").addEventListener("click", () => choosePatient(state.patient - 1));
  byId("next").addEventListener("click", () => choosePatient(state.patient + 1));
  byId("visit").addEventListener("change", (event) => {
    state.visit = event.target.value === "read" ? "read" : Number(event.target.value);
    draw();
  });
  byId("strongest").addEventListener("input", (event) => {
    state.strongest = Number(event.target.value);
    draw();
  });
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  let width = 0;
  new ResizeObserver(() => {
    const now = byId("history").clientWidth;
    if (now !== width) {
      width = now;
      drawHistory(links());
    }
  }).observe(byId("history"));
  choosePatient(0);
})();
