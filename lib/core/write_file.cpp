#include <sys/stat.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <ostream>
#include <streambuf>
#include <string>

#include "lib/core/descriptor.h"
#include "lib/core/error.h"
#include "lib/core/files.h"

namespace tacit {
namespace {

// A stream buffer over a descriptor that remembers the system's reason for the first failure, which std::ofstream
// loses.
class DescriptorBuffer : public std::streambuf {
 public:
  explicit DescriptorBuffer(int descriptor) : descriptor_(descriptor) {
    setp(buffer_.data(), buffer_.data() + buffer_.size());
  }
  int error() const { return error_; }

 protected:
  int_type overflow(int_type c) override {
    if (!flush()) return traits_type::eof();
    return traits_type::eq_int_type(c, traits_type::eof()) ? traits_type::not_eof(c)
                                                           : sputc(traits_type::to_char_type(c));
  }
  std::streamsize xsputn(const char* text, std::streamsize size) override {
    if (size < static_cast<std::streamsize>(buffer_.size())) return std::streambuf::xsputn(text, size);
    return flush() && write({text, static_cast<size_t>(size)}) ? size : 0;
  }
  int sync() override { return flush() ? 0 : -1; }

 private:
  bool flush() {
    const bool done = write({pbase(), static_cast<size_t>(pptr() - pbase())});
    setp(buffer_.data(), buffer_.data() + buffer_.size());
    return done;
  }
  bool write(std::string_view content) {
    size_t written = 0;
    if (error_ == 0) error_ = write_all(descriptor_, content, written);
    return error_ == 0;
  }

  int descriptor_;
  int error_ = 0;
  std::array<char, 1 << 16> buffer_;
};

// A new file beside `target`, gone again unless it was renamed to it.
class TemporaryFile {
 public:
  TemporaryFile(const std::filesystem::path& target, std::string_view operation)
      : target_(target), operation_(operation) {
    struct stat old {};
    const bool replaces = ::stat(target.c_str(), &old) == 0;
    // Renaming over a device or a pipe would take it away from everyone.
    require(!replaces || S_ISREG(old.st_mode), operation,
            "expected a regular file to replace but got something else in ", target.string());
    static std::atomic<uint64_t> counter{0};
    do {  // a name may be left from a killed process that had the same number
      path_ =
          target.parent_path() / (".tacit-" + std::to_string(::getpid()) + '-' + std::to_string(counter++) + ".tmp");
      descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (descriptor_ < 0 && errno == EEXIST);
    if (descriptor_ < 0) fail_with_errno(operation_, "a folder to write to", target_, errno);
    // A file system without modes may refuse; the content matters more.
    if (replaces) [[maybe_unused]]
      const int kept = ::fchmod(descriptor_, old.st_mode & 07777);
  }
  ~TemporaryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!renamed_) ::unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  int descriptor() const { return descriptor_; }

  void become_target() {
    if (::fsync(descriptor_) != 0) fail_with_errno(operation_, "to write the file to the disk", target_, errno);
    // Network file systems report a full disk only here.
    if (::close(std::exchange(descriptor_, -1)) != 0) fail_with_errno(operation_, "to finish the file", target_, errno);
    if (::rename(path_.c_str(), target_.c_str()) != 0)
      fail_with_errno(operation_, "to replace the file", target_, errno);
    renamed_ = true;
  }

 private:
  const std::filesystem::path& target_;
  std::string_view operation_;
  std::filesystem::path path_;
  int descriptor_ = -1;
  bool renamed_ = false;
};

}  // namespace

void write_file_atomic(const std::filesystem::path& path, const std::function<void(std::ostream&)>& write,
                       std::string_view operation) {
  TemporaryFile temporary(path, operation);
  DescriptorBuffer buffer(temporary.descriptor());
  std::ostream out(&buffer);
  write(out);
  out.flush();
  if (buffer.error() != 0) fail_with_errno(operation, "to write the file", path, buffer.error());
  require(out.good(), operation, "expected to write the file but got a failed stream in ", path.string());
  temporary.become_target();
  sync_folder_of(path, operation);
}

void write_file_atomic(const std::filesystem::path& path, std::string_view content, std::string_view operation) {
  write_file_atomic(
      path, [&](std::ostream& out) { out.write(content.data(), static_cast<std::streamsize>(content.size())); },
      operation);
}

}  // namespace tacit
