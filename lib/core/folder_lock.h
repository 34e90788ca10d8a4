#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

namespace tacit {

// The right to write to a folder, for one at a time, in this process or another (where the file system knows locks):
// held through the file `.tacit-lock` in it, which goes with the lock. A kill gives it up; the file it leaves hinders
// nobody.
class FolderLock {
 public:
  // The folder must be there. Fails, at once, while somebody else has the lock.
  FolderLock(const std::filesystem::path& folder, std::string_view operation);
  // Null while somebody else has it.
  static std::unique_ptr<FolderLock> if_free(const std::filesystem::path& folder, std::string_view operation);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  FolderLock(std::filesystem::path file, int descriptor);

  std::filesystem::path file_;
  int descriptor_;
};

}  // namespace tacit
