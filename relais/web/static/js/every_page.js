// What every page runs. A page loads an entry, a module of imports alone: collectstatic bundles it with its imports.
import "./single_keys.js";
import "./times.js";
import "./scroll_position.js";
import "./dialog.js";
import "./clipboard.js";
import "./action_keys.js";
import "./key_titles.js";
import "./command_trigger.js";
import "./clear_drafts.js";
import "./notices.js";
import "./search_key.js";
import "./search_form.js";
import "./live.js";
import "./outbox_notice.js";
import "./title_badge.js";
import "./page_notifications.js";
import "./service_worker_setup.js";
