// The colour theme, set before the first paint; "system" follows the operating system.
(() => {
  const chosen = localStorage.getItem("dossier.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
