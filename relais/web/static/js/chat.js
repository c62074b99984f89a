// The conversation's page. One entry, so that each module below is loaded once.
import "./lists.js";
import "./thread.js";
import "./composer.js";
import "./situation.js";
import "./client.js";
import "./back.js";
