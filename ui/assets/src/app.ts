// The scripts of every page. Pages are whole without them; they keep what is shown fresh and save clicks.
import { CopyButton } from "./copy-button";
import { DraftForm } from "./draft-form";
import { HostPreview } from "./host-preview";
import { listenForKeys } from "./keys";
import { LivePage } from "./live-page";
import { LiveTable } from "./live-table";
import { LogDrawer } from "./log-drawer";
import { readKeyFiles } from "./key-file";
import { OutputView } from "./output-view";
import { RelativeTime, showLocalTimes } from "./relative-time";
import { enableDialogs, enableMenus, guardForms } from "./surface";

document.body.classList.add("scripted");
customElements.define("live-page", LivePage);
customElements.define("relative-time", RelativeTime);
customElements.define("live-table", LiveTable);
customElements.define("copy-button", CopyButton);
customElements.define("log-drawer", LogDrawer);
customElements.define("output-view", OutputView);
customElements.define("host-preview", HostPreview);
customElements.define("draft-form", DraftForm);
enableDialogs();
enableMenus();
guardForms();
listenForKeys();
readKeyFiles();
showLocalTimes(document);
