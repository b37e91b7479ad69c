// Chaque animation se lit, s'arrête et se parcourt au curseur. Arrêtée d'abord pour qui préfère
// moins de mouvement, et dès qu'elle sort de l'écran. Sans script, reste sa dernière image.

"use strict";

(() => {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

  function controls(count) {
    const bar = document.createElement("div");
    bar.className = "animation-controls";
    bar.innerHTML = `<button type="button">Lecture</button>
      <input type="range" min="0" max="${count - 1}" value="${count - 1}" aria-label="Instant">`;
    return bar;
  }

  function setUp(image) {
    const count = Number(image.dataset.frames);
    const box = document.createElement("div");
    const frame = document.createElement("div");
    const bar = controls(count);
    const [button, slider] = bar.children;
    let timer = null;

    box.className = "animation";
    frame.className = "animation-image";
    frame.setAttribute("role", "img");
    frame.setAttribute("aria-label", image.alt);
    frame.style.width = `${image.getBoundingClientRect().width || image.width}px`;
    frame.style.maxWidth = "100%";
    frame.style.aspectRatio = `${image.naturalWidth} / ${image.naturalHeight}`;
    frame.style.backgroundImage = `url("${new URL(image.dataset.sheet, location.href)}")`;

    function show(number) {
      slider.value = number;
      slider.setAttribute("aria-valuetext", `image ${number + 1} sur ${count}`);
      frame.style.backgroundPosition = `0 ${(100 * number) / Math.max(1, count - 1)}%`;
    }

    function pause() {
      clearInterval(timer);
      timer = null;
      button.textContent = "Lecture";
    }

    function play() {
      pause();
      button.textContent = "Pause";
      const step = () => show((Number(slider.value) + 1) % count);
      timer = setInterval(step, Number(image.dataset.delay));
    }

    button.addEventListener("click", () => (timer === null ? play() : pause()));
    slider.addEventListener("input", () => {
      pause();
      show(Number(slider.value));
    });
    image.replaceWith(box);
    box.append(frame, bar);
    show(count - 1);
    let started = still;
    new IntersectionObserver(([entry]) => {
      if (!entry.isIntersecting) pause();
      else if (!started) play();
      started ||= entry.isIntersecting;
    }).observe(frame);
  }

  // La taille d'une image se lit une fois qu'elle est chargée.
  for (const image of document.querySelectorAll("img[data-sheet]")) {
    image.loading = "eager";
    image.decode().then(() => setUp(image));
  }
})();
