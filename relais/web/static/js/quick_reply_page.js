// Entry of the page of one quick reply.
import "./every_page.js";
import "./insert_variable.js";
import { updateRows } from "./choice_rows.js";

const fields = () => document.querySelector("[data-choice-fields]");

document.addEventListener("input", ({ target }) => target.closest("[data-choice-fields]") && updateRows(fields()));
if (fields()) updateRows(fields());
