// The camera: a moment of it, or all that it sees.

const REASONS = { NotAllowedError: "its use was not allowed", NotFoundError: "there is none", NotReadableError: "another program uses it" };

function stop(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

export class Camera {
  /**
   * @param element The panel with the video and its buttons.
   * @param give Called with a picture, and with what to do when it is translated.
   */
  constructor(element, give) {
    this.element = element;
    this.video = element.querySelector("video");
    this.live = element.querySelector("#live");
    this.give = give;
    element.querySelector("#shoot").addEventListener("click", () => this.shoot());
    this.live.addEventListener("change", () => this.shoot());
  }

  /** Show what it sees, in the open panel. Throws an Error in plain words. */
  async start() {
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (error) {
      const reason = navigator.mediaDevices ? REASONS[error.name] ?? error.message
        : "browsers give it to pages by https or from this device alone";
      throw new Error(`The camera cannot be used: ${reason}.`);
    }
    if (this.element.hidden) stop(stream); // closed while the visitor was asked
    else this.video.srcObject = stream;
  }

  stop() {
    stop(this.video.srcObject);
    this.video.srcObject = null;
    this.live.checked = false;
  }

  // Translate what the camera sees now; if that is wanted, again after each result.
  shoot() {
    const { video } = this, { videoWidth: width, videoHeight: height } = video;
    if (!video.srcObject || !width) return;
    const context = new OffscreenCanvas(width, height).getContext("2d");
    context.drawImage(video, 0, 0);
    const then = () => { if (this.live.checked) requestAnimationFrame(() => this.shoot()); };
    this.give({ file: context.getImageData(0, 0, width, height), then });
  }
}
