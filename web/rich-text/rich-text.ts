/**
 * Rich text: BBCode shown (`RichTextView`) and edited (`RichTextEditor`, a chunk of its own that comes when it is first drawn).
 *
 *   <RichTextEditor v-model="body" v-model:files="files" with-files :placeholder="…" @submit="send">
 *     <template #actions>…buttons…</template>
 *   </RichTextEditor>
 *
 * - `format="plain"`: no markup (SMS, titles); with `is-single-line` one line.
 * - `:placeholders="nodes"`: chips for `{=…}`, chosen from the tree; `labelOf` names those that stand in the text already.
 * - `with-files`: pasted, dropped and chosen files are uploaded as attachments and stand in `v-model:files`.
 * - `enter-sends`: Enter emits `submit` (Shift+Enter: a new line); else Ctrl+Enter does.
 * Exposed: `focus()`, `clear()`, `isEmpty()`, `isUploading()`, `insertPlaceholder(code)`, `insertText(text)`.
 */
import { defineAsyncComponent } from 'vue';
import EditorWaiting from './editor-waiting.vue';

export { RichTextView } from './rich-text-view.ts';
export { bbcodePreview } from './preview.ts';
export type { PlaceholderNode } from './placeholders.ts';

export const RichTextEditor = defineAsyncComponent({ loader: () => import('./rich-text-editor.vue'), loadingComponent: EditorWaiting, delay: 0 });
