/* Ce que les démonstrations ont en commun pour être lues, réglées et entendues : nombres à la
   française, champs et curseurs nommés, messages d'erreur, texte vivant, prédiction d'abord. */

function installControls(root) {
  "use strict";

  /* --- les nombres --------------------------------------------------------------------------- */

  const french = (value, digits) => value.toFixed(digits).replace(".", ",");
  const toText = (value) => (Array.isArray(value) ? value.join(" ") : String(value).replace(".", ","));
  const toNumber = (text) => (text.trim() ? Number(text.trim().replace(",", ".")) : NaN);

  /* Les lecteurs de champ : une valeur, ou une erreur qui dit quoi écrire. */

  function whole(low, high) {
    return (text) => {
      const value = toNumber(text);
      if (Number.isInteger(value) && value >= low && value <= high) return value;
      throw new Error(`Un entier de ${low} à ${high} est attendu.`);
    };
  }

  function positive(high, example) {
    return (text) => {
      const value = toNumber(text);
      if (value > 0 && value <= high) return value;
      throw new Error(
        `Un nombre plus grand que 0 et au plus égal à ${high} est attendu, comme ${toText(example)}.`);
    };
  }

  /* --- les erreurs ---------------------------------------------------------------------------- */

  /* Une erreur que le lecteur a déjà lue : elle arrête ce qui l'attendait, sans autre suite. */
  class Told extends Error {}

  /* `action`, à appeler d'un geste du lecteur : une erreur déjà lue s'arrête là. */
  function attempt(action) {
    return async (...given) => {
      try {
        await action(...given);
      } catch (error) {
        if (!(error instanceof Told)) throw error;
      }
    };
  }

  /* --- le balisage --------------------------------------------------------------------------- */

  function element(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) node.addEventListener(name.slice(2), attempt(value));
      else if (value !== false) node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children);
    return node;
  }

  const button = (label, action, more = {}) =>
    element("button", { type: "button", onclick: action, ...more }, label);

  const commands = (label, ...children) =>
    element("div", { class: "demo-commands", role: "group", "aria-label": label }, ...children);

  function check(id, label, onChange) {
    const input = element("input", { type: "checkbox", id, onchange: onChange });
    return { input, node: element("span", { class: "demo-check" }, input, element("label", { for: id }, label)) };
  }

  /* Un champ de texte, ou un menu s'il a des `options` { valeur: nom } ; sous lui, son erreur. */
  function field(prefix, { name, label, options, hint }, value, onChange) {
    const id = `${prefix}-${name}`;
    const attributes = { id, name, "aria-describedby": `${id}-error`, onchange: () => onChange(name) };
    const input = options
      ? element("select", attributes, ...Object.entries(options).map(([key, text]) =>
          element("option", { value: key, selected: key === String(value) }, text)))
      : element("input", { ...attributes, type: "text", autocomplete: "off", value: toText(value),
          inputmode: hint ? "text" : "decimal" });
    const title = hint ? `${label} (${hint})` : label;
    return element("div", { class: "demo-field" }, element("label", { for: id }, title), input,
      element("p", { id: `${id}-error`, class: "demo-error" }));
  }

  /* Écrit l'erreur d'un champ, ou l'efface. */
  function complain(input, text) {
    input.setAttribute("aria-invalid", String(Boolean(text)));
    document.getElementById(`${input.id}-error`).textContent = text;
  }

  /* Ce que `read` lit d'un champ, ou null s'il est à reprendre, l'erreur écrite à côté. */
  function readField(input, read) {
    try {
      const value = read(input.value);
      complain(input, "");
      return value;
    } catch (error) {
      complain(input, error.message);
      return null;
    }
  }

  /* Un curseur, dont la valeur s'écrit et se dit par `format`. `onInput` reçoit le nombre. */
  function slider({ id, label, min, max, step, value, format = toText }, onInput) {
    const shown = element("output", { for: id });
    const input = element("input", { id, type: "range", min, max, step, value });
    const write = () => {
      shown.textContent = format(Number(input.value));
      input.setAttribute("aria-valuetext", shown.textContent);
    };
    input.addEventListener("input", attempt(() => {
      write();
      return onInput(Number(input.value));
    }));
    write();
    return {
      input,
      node: element("div", { class: "demo-field" },
        element("span", {}, element("label", { for: id }, label), " ", shown), input),
      get value() { return Number(input.value); },
      set value(next) {
        input.value = next;
        write();
      },
    };
  }

  /* Un dessin sous son titre et sa légende. `canvas` est nommé par le titre, puis par `describe`. */
  function panel(name, title, legend) {
    const canvas = element("canvas", { role: "img", "data-panel": name, "aria-label": title });
    const caption = element("span", {}, legend);
    const node = element("figure", { class: "demo-panel" },
      element("figcaption", {}, element("strong", {}, title), caption), canvas);
    return { node, canvas, caption, describe: (text) => canvas.setAttribute("aria-label", `${title}. ${text}`) };
  }

  /* Le texte lu à voix haute quand il change ; il ne se voit pas. */
  function voice() {
    const node = element("p", { class: "demo-hidden", role: "status" });
    return { node, say: (text) => { node.textContent = text; } };
  }

  /* --- prédire d'abord ------------------------------------------------------------------------ */

  /* Le même texte, où un signe double ne passe jamais seul à la ligne. */
  const unbroken = (text) => text.replace(/ (?=[?!:;»])|(?<=«) /g, "\u00a0");

  /* Une question à choix. `launch(rang)` joue une fois une réponse donnée ; `conclude(rang, preuve)`
     dit si la prédiction était bonne et ce qu'il fallait voir. */
  function quiz(prefix, { title, question, choices, right, seen, action = "Voir ce qui arrive" }, launch) {
    const answers = choices.map((text, rank) => element("label", {},
      element("input", { type: "radio", name: `${prefix}-answer`, value: rank }), element("span", {}, unbroken(text))));
    const error = element("p", { class: "demo-error", id: `${prefix}-answer-error` });
    const verdict = element("p", { class: "demo-verdict", role: "status" });
    const node = element("div", { class: "demo-quiz" },
      element("fieldset", { "aria-describedby": `${prefix}-answer-error` },
        element("legend", {}, unbroken(title ? `${title}. ${question}` : question)), ...answers),
      error,
      button(action, async () => {
        const chosen = node.querySelector("input:checked");
        error.textContent = chosen ? "" : "Choisissez d'abord une réponse : c'est votre prédiction.";
        if (!chosen) return;
        verdict.textContent = "";
        try {
          await launch(Number(chosen.value));
        } catch (problem) {
          verdict.textContent = problem.message;
          throw problem;
        }
      }, { class: "demo-main" }),
      verdict);
    return {
      node,
      focus: () => node.querySelector("input").focus({ preventScroll: true }),
      say: (text) => { verdict.textContent = text; },
      conclude: (chosen, proof) => {
        const judged = chosen === right ? "Bien prédit." : `Il fallait attendre : ${choices[right]}.`;
        verdict.textContent = [proof, judged, seen].filter(Boolean).join(" ");
      },
    };
  }

  /* --- quand redessiner ------------------------------------------------------------------------ */

  /* Appelle `redraw` si le thème, ou la taille de `node`, change. */
  function watch(node, redraw) {
    new ResizeObserver(redraw).observe(node);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  /* Appelle `start`, une fois, quand le lecteur touche la démonstration : doigt, souris ou clavier. */
  function onFirstTouch(host, start) {
    const names = ["pointerdown", "keydown", "focusin"];
    const begin = () => {
      for (const name of names) host.removeEventListener(name, begin, true);
      return attempt(start)();
    };
    for (const name of names) host.addEventListener(name, begin, true);
  }

  /* `make`, lancée une seule fois, à la première demande ; un échec est dit, et peut être retenté. */
  function once(make, say) {
    let made = null;
    return () => {
      made = made || make().catch((error) => {
        made = null;
        say(error.message);
        throw new Told(error.message);
      });
      return made;
    };
  }

  const prefersCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

  /* Donne vie à chaque place de la page que réserve `data-demo="name"`. */
  function live(name, Demo) {
    const hosts = [...document.querySelectorAll(`[data-demo=${name}]`)];
    root.demos = [...(root.demos || []), ...hosts.map((host) => new Demo(host))];
  }

  root.controls = {
    french, toText, toNumber, whole, positive,
    element, button, commands, check, field, complain, readField, slider, panel, voice, quiz,
    watch, onFirstTouch, Told, attempt, once, prefersCalm, live,
  };
}

installControls(globalThis);
