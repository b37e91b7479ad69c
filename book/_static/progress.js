// Où l'on en est : les sections lues d'un lab sont cochées dans le plan de la page, comptées dans celui
// du cours, et l'accueil propose de reprendre. Tout reste dans le navigateur, et s'efface d'un bouton.
// Sans script, ou si le stockage est refusé, rien ne change.

"use strict";

(() => {
  const LONG_ENOUGH = 2000; // ms à l'écran, pour ne pas compter ce que l'on survole
  const HOME = "book/index.html";
  const root = new URL(document.documentElement.dataset.content_root || "./", location.href).pathname;
  const key = `${root}#lecture`;
  const nameOf = (path) => decodeURIComponent(path).slice(decodeURIComponent(root).length);
  const here = nameOf(location.pathname);
  const sections = here.startsWith("labs/")
    ? [...document.querySelectorAll("article > section > section[id]:not([id^=references])")] : [];

  // { pages: { "labs/…": { read: [ancres], total } }, last: { page, id, title } }
  function recall() {
    try {
      const { pages = {}, last = null } = JSON.parse(localStorage.getItem(key) ?? "{}") ?? {};
      return { pages, last };
    } catch {
      return { pages: {}, last: null };
    }
  }

  function remember(progress) {
    try {
      localStorage.setItem(key, JSON.stringify(progress));
    } catch {
      /* rien n'est retenu, rien n'est montré */
    }
    show();
  }

  function titleOf(element) {
    const heading = element.querySelector("h1, h2").cloneNode(true);
    heading.querySelector(".headerlink")?.remove();
    return heading.textContent;
  }

  function reach(section) {
    const title = `${titleOf(section.parentElement)}, ${titleOf(section)}`;
    remember({ ...recall(), last: { page: here, id: section.id, title } });
  }

  function finish(section) {
    const progress = recall();
    const read = new Set(progress.pages[here]?.read).add(section.id);
    const known = sections.map(({ id }) => id); // un lab change, ses sections aussi
    progress.pages[here] = { read: known.filter((id) => read.has(id)), total: sections.length };
    remember(progress);
  }

  // --- Ce que l'on montre ---

  function mark(link, sign, words) {
    link.querySelector(".reading-mark")?.remove();
    if (!sign) return;
    const span = document.createElement("span");
    span.className = "reading-mark";
    span.innerHTML = '<span aria-hidden="true"></span><span class="visually-hidden"></span>';
    span.firstChild.textContent = ` ${sign}`;
    span.lastChild.textContent = ` (${words})`;
    link.append(span);
  }

  function show() {
    const { pages, last } = recall();
    const read = pages[here]?.read ?? [];
    for (const { id } of sections) {
      const link = document.querySelector(`#pst-page-toc-nav a[href="#${CSS.escape(id)}"]`);
      if (link) mark(link, read.includes(id) ? "✓" : "", "section lue");
    }
    for (const link of document.querySelectorAll("nav.bd-docs-nav a[href]")) {
      const page = pages[nameOf(new URL(link.href).pathname)];
      if (!page) mark(link, "");
      else if (page.read.length >= page.total) mark(link, "✓", "lab lu");
      else mark(link, `${page.read.length}/${page.total}`, "sections lues");
    }
    if (here === HOME) offer(pages, last);
  }

  function offer(pages, last) {
    document.getElementById("reprendre")?.remove();
    if (!last && !Object.keys(pages).length) return;
    const place = document.createElement("p");
    place.id = "reprendre";
    place.innerHTML = `<span>Reprendre : <a></a></span>
      <button type="button">Effacer ma progression</button>`;
    const [link, button] = [place.querySelector("a"), place.querySelector("button")];
    if (last) {
      link.href = `${root}${last.page}#${last.id}`;
      link.textContent = last.title;
    } else link.parentElement.remove();
    button.addEventListener("click", () => {
      localStorage.removeItem(key);
      show();
      document.querySelector("main")?.focus();
    });
    document.querySelector("article h1").after(place);
  }

  // --- Ce que l'on observe ---

  function watch(elements, action, options) {
    const timers = new Map();
    const observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        clearTimeout(timers.get(target));
        if (!isIntersecting) continue;
        timers.set(target, setTimeout(() => action(elements.get(target)), LONG_ENOUGH));
      }
    }, options);
    for (const element of elements.keys()) observer.observe(element);
  }

  // Une section est en cours quand elle occupe le milieu de l'écran, lue quand sa fin y est passée.
  const endOf = (element) => {
    // Une démonstration finit par ses scripts et ses styles, que rien ne montre à l'écran.
    const last = [...element.children].filter((child) => !child.matches("script, link")).at(-1);
    return last?.matches("section") ? endOf(last) : last;
  };
  const pairs = (choose) => new Map(sections.map((section) => [choose(section), section]));
  watch(pairs((section) => section), reach, { rootMargin: "-50% 0px -50% 0px" });
  watch(pairs(endOf), finish);
  show();
})();
