// La recherche du cours : par section, accents confondus, sans réseau ni serveur. Les textes, que
// tools/search_index.py a écrits dans search_data.js, ne sont chargés que lorsqu'on cherche.

"use strict";

(() => {
  const SHOWN = 30;
  const AROUND = 70; // caractères d'extrait de part et d'autre du premier mot trouvé
  const root = document.documentElement.dataset.content_root || "./";

  // « Rétropropagation » et « retropropagation » se valent ; la longueur du texte ne change pas.
  const fold = (text) =>
    [...text.toLowerCase()].map((c) => c.normalize("NFD")[0]).join("").replace(/[’ʼ]/g, "'");

  let sections = null;

  function load() {
    if (sections) return sections;
    sections = new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = `${root}_static/search_data.js`;
      script.onload = () => {
        for (const section of window.SEARCH_DATA) {
          section.heading = fold(section.title);
          section.folded = fold(section.text);
        }
        resolve(window.SEARCH_DATA);
      };
      script.onerror = reject;
      document.head.append(script);
    });
    return sections;
  }

  // Chaque mot doit figurer dans la section ; un titre compte dix fois, un début de mot double.
  function score(section, words) {
    let total = 0;
    for (const word of words) {
      const inTitle = section.heading.split(word).length - 1;
      const inText = section.folded.split(word).length - 1;
      if (inTitle + inText === 0) return 0;
      const starts = ` ${section.heading} ${section.folded}`.split(` ${word}`).length - 1;
      total += 10 * inTitle + Math.min(inText, 5) + Math.min(starts, 5);
    }
    return total;
  }

  function excerpt(section, words) {
    const found = words.map((word) => section.folded.indexOf(word)).filter((at) => at >= 0);
    const at = found.length ? Math.min(...found) : 0;
    const from = at > AROUND ? section.text.indexOf(" ", at - AROUND) + 1 : 0;
    const to = Math.min(section.text.length, at + 2 * AROUND);
    const end = to < section.text.length ? section.text.lastIndexOf(" ", to) : to;
    const quote = section.text.slice(from, Math.max(end, at));
    const element = document.createElement("p");
    element.append(from > 0 ? "… " : "");
    mark(element, quote, words);
    element.append(end < section.text.length ? " …" : "");
    return element;
  }

  function mark(element, text, words) {
    const folded = fold(text);
    let done = 0;
    while (done < text.length) {
      const hits = words.map((word) => [folded.indexOf(word, done), word.length]);
      const next = hits.filter(([at]) => at >= 0).sort((a, b) => a[0] - b[0])[0];
      if (!next) break;
      element.append(text.slice(done, next[0]));
      const found = document.createElement("mark");
      found.textContent = text.slice(next[0], next[0] + next[1]);
      element.append(found);
      done = next[0] + next[1];
    }
    element.append(text.slice(done));
  }

  function item(section, words) {
    const element = document.createElement("li");
    const link = document.createElement("a");
    link.href = root + section.url;
    link.textContent = section.title;
    const page = document.createElement("span");
    page.textContent = section.page === section.title ? "" : section.page;
    element.append(link, page, excerpt(section, words));
    return element;
  }

  async function search(query, results) {
    const words = fold(query).split(/\s+/).filter((word) => word.length > 1);
    results.replaceChildren();
    if (!words.length) return;
    const ranked = (await load())
      .map((section) => [score(section, words), section])
      .filter(([points]) => points > 0)
      .sort((a, b) => b[0] - a[0]);
    const count = document.createElement("p");
    count.setAttribute("role", "status");
    count.textContent = ranked.length
      ? `${ranked.length} section${ranked.length > 1 ? "s" : ""}`
      : `Rien pour « ${query} ». Essayez un mot de moins, ou un synonyme.`;
    const list = document.createElement("ol");
    list.append(...ranked.slice(0, SHOWN).map(([, section]) => item(section, words)));
    results.replaceChildren(count, list);
  }

  function setUp(form) {
    const field = form.querySelector("input[name=q]");
    const results = document.createElement("div");
    results.className = "search-results";
    form.after(results);
    field.addEventListener("input", () => search(field.value, results));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      search(field.value, results);
    });
    const asked = new URLSearchParams(location.search).get("q");
    if (asked && form.closest("main")) {
      field.value = asked;
      search(asked, results);
    }
  }

  document.querySelectorAll("form.bd-search").forEach(setUp);
})();
