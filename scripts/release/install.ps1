# Installs the pi-server binary on Windows: checks its SHA-256 sum and puts it in place. Nothing is installed when
# anything is wrong.
#
#   PI_SERVER_VERSION      a version such as 1.2.3; default: the latest release
#   PI_SERVER_INSTALL_DIR  where to put it; default: %LOCALAPPDATA%\pi-server
#   PI_SERVER_BASE_URL     folder with the binaries and SHA256SUMS, in place of a release
#   PI_SERVER_REPOSITORY   OWNER/NAME on GitHub whose releases to take; a released copy of this script knows its own
$ErrorActionPreference = 'Stop'
# Its progress bar makes downloads many times slower in Windows PowerShell.
$ProgressPreference = 'SilentlyContinue'

$repository = ''
if ($env:PI_SERVER_REPOSITORY) { $repository = $env:PI_SERVER_REPOSITORY }

function Get-BaseUrl {
  if ($env:PI_SERVER_BASE_URL) { return $env:PI_SERVER_BASE_URL.TrimEnd('/') }
  if (-not $repository) {
    throw 'this copy does not know where releases are; set PI_SERVER_REPOSITORY=OWNER/NAME or PI_SERVER_BASE_URL'
  }
  if (-not $env:PI_SERVER_VERSION -or $env:PI_SERVER_VERSION -eq 'latest') {
    return "https://github.com/$repository/releases/latest/download"
  }
  return "https://github.com/$repository/releases/download/v$($env:PI_SERVER_VERSION.TrimStart('v'))"
}

function Get-File([string] $url, [string] $path) {
  try {
    Invoke-WebRequest -UseBasicParsing -Uri $url -OutFile $path
  } catch {
    throw "$url cannot be downloaded: $($_.Exception.Message)"
  }
}

function Install-PiServer {
  # PROCESSOR_ARCHITEW6432 is set where a 32-bit shell runs on a 64-bit system; ARM64 runs x64 programs.
  $machine = if ($env:PROCESSOR_ARCHITEW6432) { $env:PROCESSOR_ARCHITEW6432 } else { $env:PROCESSOR_ARCHITECTURE }
  if ($machine -ne 'AMD64' -and $machine -ne 'ARM64') {
    throw "there is no binary for Windows on $machine; with Node 20 or later: npm install --global pi-server"
  }
  $folder = if ($env:PI_SERVER_INSTALL_DIR) { $env:PI_SERVER_INSTALL_DIR } else { Join-Path $env:LOCALAPPDATA 'pi-server' }
  $file = 'pi-server-windows-x64.exe'
  $url = Get-BaseUrl
  $work = Join-Path ([IO.Path]::GetTempPath()) ([Guid]::NewGuid().ToString())
  New-Item -ItemType Directory -Path $work | Out-Null
  try {
    Write-Host "pi-server: downloading $url/$file"
    $sums = Join-Path $work 'SHA256SUMS'
    Get-File "$url/SHA256SUMS" $sums
    $line = Get-Content $sums | Where-Object { ($_ -split '\s+')[1] -eq $file } | Select-Object -First 1
    if (-not $line) { throw "$url/SHA256SUMS does not list $file" }
    $expected = ($line -split '\s+')[0]
    $download = Join-Path $work $file
    Get-File "$url/$file" $download
    $actual = (Get-FileHash -Algorithm SHA256 -Path $download).Hash
    # Letter case does not matter to -ne.
    if ($actual -ne $expected) {
      throw "the checksum of $file is wrong, nothing was installed (expected $expected, got $actual)"
    }
    $version = & $download --version
    if ($LASTEXITCODE -ne 0) { throw "$file does not run on this system, nothing was installed" }
    New-Item -ItemType Directory -Force -Path $folder | Out-Null
    $place = Join-Path $folder 'pi-server.exe'
    # A running program cannot be overwritten, but it can be renamed.
    if (Test-Path $place) {
      $old = "$place.old"
      Remove-Item -Force -ErrorAction SilentlyContinue $old
      Move-Item -Force $place $old
    }
    Move-Item -Force $download $place
    Write-Host "pi-server: installed $version as $place"
    if (($env:Path -split ';') -notcontains $folder) {
      Write-Host "pi-server: $folder is not in your Path; add it, or start $place"
    }
  } finally {
    Remove-Item -Recurse -Force -ErrorAction SilentlyContinue $work
  }
}

try {
  Install-PiServer
} catch {
  Write-Host "pi-server: $($_.Exception.Message)"
  # Piped into a shell, `exit` would close the person's window.
  if ($PSCommandPath) { exit 1 } else { throw }
}
