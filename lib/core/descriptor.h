#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>

#include "lib/core/error.h"

// Inside of this folder: POSIX file descriptors with the library's errors.
namespace tacit {

// Closes on every way out.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int number() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

[[noreturn]] inline void fail_with_errno(std::string_view operation, std::string_view expectation,
                                         const std::filesystem::path& path, int error) {
  fail(operation, "expected ", expectation, " but got \"", std::strerror(error), "\" in ", path.string());
}

inline int open_to_read(const std::filesystem::path& path, std::string_view operation) {
  const int number = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (number < 0) fail_with_errno(operation, "a readable file", path, errno);
  return number;
}

// The next bytes of the file; 0 at its end.
inline size_t read_some(const Descriptor& file, char* to, size_t size, const std::filesystem::path& path,
                        std::string_view operation) {
  while (true) {
    const ssize_t count = ::read(file.number(), to, size);
    if (count >= 0) return static_cast<size_t>(count);
    if (errno != EINTR) fail_with_errno(operation, "a readable file", path, errno);
  }
}

// Writes all of it and returns 0, or returns the errno that stopped it; `written` counts what went out either way.
inline int write_all(int descriptor, std::string_view content, size_t& written) {
  written = 0;
  while (written < content.size()) {
    const ssize_t count = ::write(descriptor, content.data() + written, content.size() - written);
    if (count > 0) written += static_cast<size_t>(count);
    if (count == 0) return ENOSPC;
    if (count < 0 && errno != EINTR) return errno;
  }
  return 0;
}

// Makes a new or renamed entry of the folder survive a power cut.
inline void sync_folder_of(const std::filesystem::path& path, std::string_view operation) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const Descriptor entry(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (entry.number() < 0) {
    if (errno == EACCES) return;  // writable but not readable: the entry stands, only its time of arrival is unknown
    fail_with_errno(operation, "a readable folder", folder, errno);
  }
  // Some network file systems cannot sync folders and say EINVAL.
  if (::fsync(entry.number()) != 0 && errno != EINVAL && errno != ENOTSUP) {
    fail_with_errno(operation, "to sync the folder", folder, errno);
  }
}

}  // namespace tacit
