#include "lib/core/files.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <vector>

#include "lib/core/descriptor.h"
#include "lib/core/error.h"

namespace tacit {
namespace {

constexpr size_t kChunk = size_t{1} << 16;

// Where the last line end stops; what stands behind it was cut off while being written.
off_t end_of_whole_lines(int descriptor, off_t size, const std::filesystem::path& path, std::string_view operation) {
  std::array<char, 4096> buffer;
  while (size > 0) {
    const off_t start = std::max<off_t>(0, size - static_cast<off_t>(buffer.size()));
    const auto length = static_cast<size_t>(size - start);
    const ssize_t count = ::pread(descriptor, buffer.data(), length, start);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_with_errno(operation, "a readable file", path, errno);
    require(static_cast<size_t>(count) == length, operation, "expected ", size, " bytes but got fewer in ",
            path.string());
    const size_t found = std::string_view(buffer.data(), length).rfind('\n');
    if (found != std::string_view::npos) return start + static_cast<off_t>(found) + 1;
    size = start;
  }
  return 0;
}

}  // namespace

std::string read_file(const std::filesystem::path& path, std::string_view operation) {
  const Descriptor file(open_to_read(path, operation));
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) fail_with_errno(operation, "a readable file", path, errno);
  std::string content;
  size_t size = 0;
  // One byte more than the file has, so that its end is seen without growing; pipes report size 0 and grow.
  content.resize(std::max(kChunk, static_cast<size_t>(status.st_size) + 1));
  while (const size_t count = read_some(file, content.data() + size, content.size() - size, path, operation)) {
    size += count;
    if (size == content.size()) content.resize(2 * size);
  }
  content.resize(size);
  return content;
}

void for_each_line(const std::filesystem::path& path, std::string_view operation,
                   const std::function<void(std::string_view text, int64_t number)>& line) {
  const Descriptor file(open_to_read(path, operation));
  std::vector<char> chunk(kChunk);
  std::string begun;  // of a line that reaches over the end of a chunk
  int64_t number = 0;
  while (const size_t count = read_some(file, chunk.data(), chunk.size(), path, operation)) {
    std::string_view rest(chunk.data(), count);
    for (size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      std::string_view text = rest.substr(0, end);
      if (!begun.empty()) text = begun.append(text);
      if (text.ends_with('\r')) text.remove_suffix(1);
      line(text, ++number);
      begun.clear();
      rest.remove_prefix(end + 1);
    }
    begun.append(rest);
  }
  if (!begun.empty()) line(begun, ++number);
}

LineAppender::LineAppender(std::filesystem::path path, std::string_view operation)
    : path_(std::move(path)), operation_(operation), descriptor_(-1) {
  Descriptor file(::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (file.number() < 0) fail_with_errno(operation_, "a file to append to", path_, errno);
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) fail_with_errno(operation_, "a file to append to", path_, errno);
  const off_t whole = end_of_whole_lines(file.number(), status.st_size, path_, operation_);
  if (whole < status.st_size && ::ftruncate(file.number(), whole) != 0) {
    fail_with_errno(operation_, "to cut an unfinished last line", path_, errno);
  }
  sync_folder_of(path_, operation_);
  descriptor_ = file.release();
}

LineAppender::~LineAppender() { ::close(descriptor_); }

void LineAppender::append(std::string_view line) {
  require(line.find('\n') == std::string_view::npos && !line.ends_with('\r'), operation_,
          "expected a line without a line end but got one for ", path_.string());
  std::string text(line);
  text += '\n';
  size_t written = 0;
  const int error = write_all(descriptor_, text, written);
  if (error == 0) return;
  // Take back the piece that went out, so that a later line does not continue it. Opening would cut it too.
  struct stat status {};
  if (::fstat(descriptor_, &status) == 0 &&
      ::ftruncate(descriptor_, status.st_size - static_cast<off_t>(written)) != 0) {
    fail_with_errno(operation_, "to write a line, or to take back a part of it,", path_, error);
  }
  fail_with_errno(operation_, "to write a line", path_, error);
}

void LineAppender::sync() {
  if (::fsync(descriptor_) != 0) fail_with_errno(operation_, "to write to the disk", path_, errno);
}

MappedFile::MappedFile(std::filesystem::path path, const std::byte* data, size_t size)
    : path_(std::move(path)), data_(data), size_(size) {}

std::shared_ptr<const MappedFile> MappedFile::open(const std::filesystem::path& path, std::string_view operation) {
  const Descriptor file(open_to_read(path, operation));
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) fail_with_errno(operation, "a readable file", path, errno);
  require(S_ISREG(status.st_mode), operation, "expected a regular file but got something else in ", path.string());
  const auto size = static_cast<size_t>(status.st_size);
  void* data = nullptr;
  if (size > 0) {                                          // an empty file cannot be mapped
    constexpr int kPrivate = MAP_PRIVATE | MAP_NORESERVE;  // pages that are written to become the process's own
    data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, kPrivate, file.number(), 0);
    if (data == MAP_FAILED) fail_with_errno(operation, "a file that can be mapped", path, errno);
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, static_cast<const std::byte*>(data), size));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace tacit
