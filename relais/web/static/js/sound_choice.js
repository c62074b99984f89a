// « Écouter » beside the choice of a sound: plays the one that is selected, saved or not. And what needs this script.
import { playSound } from "./notification_sound.js";

const choice = document.querySelector(".sound-choice");
const select = choice.querySelector("select");
const button = choice.querySelector("[data-play-chosen-sound]");

function update() {
  button.disabled = select.value === "";
}

button.addEventListener("click", () => playSound(choice.dataset[`${select.value}Url`]));
select.addEventListener("change", update);
button.hidden = false;
document.querySelector("[data-key-sheet-row]").hidden = false;
update();
