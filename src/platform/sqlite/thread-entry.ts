import { parentPort, workerData } from 'node:worker_threads';
import { fileId, openToWrite } from './file.ts';
import { END, READY, storeGroup, type ThreadData, type ThreadGroup } from './thread-group.ts';

const { path, id, busyMs } = workerData as ThreadData;
// it would be opened with the write-ahead log of the one before
if (fileId(path) !== id) throw new Error('The file was replaced: the writer has another one');
const file = openToWrite(path, busyMs);
file.keepTemporaryInMemory();

parentPort?.on('message', (message: ThreadGroup | typeof END) => {
  if (message !== END) {
    parentPort?.postMessage(storeGroup(file, message));
    return;
  }
  file.close();
  parentPort?.close();
});
parentPort?.postMessage(READY);
