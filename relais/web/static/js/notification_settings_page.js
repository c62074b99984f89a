// Entry of the notification settings.
import "./every_page.js";
import "./notification_settings.js";
