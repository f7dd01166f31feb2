"use strict";
const records = [...document.querySelectorAll(".record")];
const texts = records.map((record) => record.textContent.toLowerCase());
const search = document.querySelector("#search");
const buttons = [...document.querySelectorAll("[data-filter]")];
const shown = document.querySelector("#shown");
const chosen = { outcome: "", stream: "" };

function apply() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  records.forEach((record, place) => {
    const fits =
      Object.entries(chosen).every(([name, value]) => !value || record.dataset[name] === value) &&
      words.every((word) => texts[place].includes(word));
    record.hidden = !fits;
    count += fits;
  });
  shown.textContent = `${count.toLocaleString("en")} of ${records.length.toLocaleString("en")} listed records match`;
  for (const button of buttons) {
    const on = chosen[button.dataset.filter] === button.dataset.value;
    button.setAttribute("aria-pressed", String(on));
  }
}

for (const button of buttons) {
  button.addEventListener("click", () => {
    const { filter, value } = button.dataset;
    chosen[filter] = chosen[filter] === value ? "" : value;
    apply();
  });
}
if (search) {
  search.addEventListener("input", apply);
  document.querySelector(".find").hidden = false;
  apply();
}
