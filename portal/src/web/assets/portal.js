// Everything works without this file; it only saves clicks.
"use strict";

// Copy what a button stands beside.
for (const button of document.querySelectorAll("button[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 1500);
  });
}

// Tick all rows of a list.
for (const all of document.querySelectorAll("input[data-all]")) {
  all.hidden = false;
  const boxes = [...document.querySelectorAll(`input[name="${all.dataset.all}"]`)];
  all.addEventListener("change", () => { for (const box of boxes) box.checked = all.checked; });
}

// Choosing a filter is asking for it.
for (const select of document.querySelectorAll("form.filters select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

// A file that is chosen lands in the text field that the form sends.
for (const input of document.querySelectorAll("input[type=file][data-into]")) {
  input.closest(".field").hidden = false;
  input.addEventListener("change", async () => {
    if (input.files.length > 0) document.getElementById(input.dataset.into).value = await input.files[0].text();
  });
}
