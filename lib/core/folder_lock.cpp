#include "lib/core/folder_lock.h"

#include <sys/file.h>
#include <sys/stat.h>

#include <utility>

#include "lib/core/descriptor.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

// Whether the path still names the file that is open: whoever had the lock before has removed the file with it.
bool names(const std::filesystem::path& path, int descriptor) {
  struct stat open {
  }, there{};
  return ::fstat(descriptor, &open) == 0 && ::stat(path.c_str(), &there) == 0 && open.st_dev == there.st_dev &&
         open.st_ino == there.st_ino;
}

std::filesystem::path lock_file(const std::filesystem::path& folder) { return folder / ".tacit-lock"; }

// The locked file, or -1 while somebody else has it. A file system without locks lets everybody pass.
int lock(const std::filesystem::path& path, std::string_view operation) {
  while (true) {
    Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (file.number() < 0) fail_with_errno(operation, "a folder to write to", path, errno);
    if (::flock(file.number(), LOCK_EX | LOCK_NB) != 0) return errno == EWOULDBLOCK ? -1 : file.release();
    if (names(path, file.number())) return file.release();
  }
}

}  // namespace

FolderLock::FolderLock(std::filesystem::path file, int descriptor) : file_(std::move(file)), descriptor_(descriptor) {}

FolderLock::FolderLock(const std::filesystem::path& folder, std::string_view operation)
    : FolderLock(lock_file(folder), lock(lock_file(folder), operation)) {
  require(descriptor_ >= 0, operation, "expected to be alone in writing to ", folder.string(),
          " but somebody else is at it");
}

std::unique_ptr<FolderLock> FolderLock::if_free(const std::filesystem::path& folder, std::string_view operation) {
  const int descriptor = lock(lock_file(folder), operation);
  if (descriptor < 0) return nullptr;
  return std::unique_ptr<FolderLock>(new FolderLock(lock_file(folder), descriptor));
}

FolderLock::~FolderLock() {
  if (descriptor_ < 0) return;
  ::unlink(file_.c_str());  // before others can have the lock: a later one's file must stay
  ::close(descriptor_);
}

}  // namespace tacit
