// Loaded once a session by pages of a browser that is subscribed: see service_worker_setup.js.
import { reportSubscription } from "./push_subscription.js";

reportSubscription().catch(() => {}); // the next page tries again
