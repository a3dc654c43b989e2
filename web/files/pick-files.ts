/** Asks the person for files; resolves with none when the dialog is closed. */
export function pickFiles({ isMultiple = true, accept = '' }: { isMultiple?: boolean; accept?: string } = {}): Promise<File[]> {
  return new Promise((resolve) => {
    const input = document.createElement('input');
    input.type = 'file';
    input.multiple = isMultiple;
    input.accept = accept;
    input.className = 'hidden';
    input.dataset.pickFiles = '';
    const done = (files: File[]) => {
      input.remove();
      resolve(files);
    };
    input.addEventListener('change', () => done([...(input.files ?? [])]));
    input.addEventListener('cancel', () => done([]));
    document.body.append(input);
    input.click();
  });
}

/** Files of a paste or a drop. */
export function filesIn(data: DataTransfer | null): File[] {
  return [...(data?.files ?? [])];
}
