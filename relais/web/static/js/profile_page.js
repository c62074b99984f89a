// Entry of the page « Mon profil ».
import "./every_page.js";
import "./sound_choice.js";
