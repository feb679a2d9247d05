/** Uploads that are under way, kept where a reload does not lose them (IndexedDB). */

/**
 * @typedef {object} Entry
 * @property {string} videoId
 * @property {string | null} jobId
 * @property {string} filename
 * @property {number} size
 * @property {number} lastModified
 * @property {any} ticket as the API gave it
 * @property {any} [handle] a FileSystemFileHandle, where the browser has them: the file can be read again without being dropped again
 * @property {string} owner whose upload it is
 */

const NAME = "reelscan";
const STORE = "uploads";

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "videoId" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @template T
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<T>} act
 * @returns {Promise<T>}
 */
async function use(mode, act) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const request = act(database.transaction(STORE, mode).objectStore(STORE));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  } finally {
    database.close();
  }
}

/** @param {Entry} entry */
export const keepUpload = (entry) => use("readwrite", (store) => store.put(entry));

/** @param {string} videoId */
export const forgetUpload = (videoId) => use("readwrite", (store) => store.delete(videoId));

/** @returns {Promise<Entry[]>} */
export const keptUploads = () => use("readonly", (store) => store.getAll());
