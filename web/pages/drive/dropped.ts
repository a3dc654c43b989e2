/** What was dropped from outside: files, and folders with all that lies in them, which are made on the way. */

interface Taker {
  send(files: File[], folderId: number): void;
  /** Answers with the id of the new folder. */
  makeFolder(name: string, parentId: number): Promise<number>;
}

export async function filesDropped(data: DataTransfer, folderId: number, taker: Taker): Promise<void> {
  // Read before the first await: afterwards the browser has emptied it.
  const entries = [...data.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  if (entries.length === 0) return taker.send([...data.files], folderId);
  await take(entries, folderId, taker);
}

async function take(entries: readonly FileSystemEntry[], folderId: number, taker: Taker): Promise<void> {
  const files: File[] = [];
  for (const entry of entries) {
    if (isFile(entry)) files.push(await new Promise<File>((resolve, reject) => entry.file(resolve, reject)));
    else if (isDirectory(entry)) await take(await all(entry.createReader()), await taker.makeFolder(entry.name, folderId), taker);
  }
  if (files.length > 0) taker.send(files, folderId);
}

/** A reader gives a hundred at a time and then none. */
async function all(reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> {
  const found: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found;
    found.push(...some);
  }
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;
const isDirectory = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory;
