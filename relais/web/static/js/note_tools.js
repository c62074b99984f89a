// Entry of what writing or changing a note needs, and asking about a message that looks like one.
import "./mention_suggestions.js";
import "./note_writing.js";
import "./note_editor.js";
import "./note_guard.js";
